"""Shows a history to people: as a table of text, and as a page with pictures, one file."""

import math
from collections.abc import Sequence
from pathlib import Path

import jinja2
from tabulate import tabulate

from components.errors import ConfigurationError
from components.evaluator.history_picture import Moment, draw_history
from components.evaluator.model_history import Evaluation, History
from components.evaluator.slice_key import describe
from components.evaluator.wording import numbers
from components.records import Bound

MAX_PICTURES = 24
_TEMPLATE = "history.html.jinja"


def table(history: History, metrics: Sequence[str] = ()) -> str:
    """Return a line for each evaluation.

    Args:
        history: what to show.
        metrics: which; default: those with thresholds, or all where none has.
    """
    shown = choose_metrics(history, metrics)
    rows = [
        [
            _window(each),
            "blessed" if each.blessed else "not blessed",
            "" if each.version is None else f"{each.version} ({each.fate})",
            "" if each.num_examples is None else f"{each.num_examples:,}",
            *(_number(each.metrics.get(name)) for name in shown),
            each.run_id,
        ]
        for each in history.evaluations
    ]
    headers = ["window", "evaluation", "version", "examples", *shown, "run"]
    text = tabulate(rows, headers, tablefmt="simple", disable_numparse=True)
    problems = [f"not read: {problem}" for problem in history.problems]
    return "\n".join([text if rows else "no evaluations", *problems])


def choose_metrics(history: History, wanted: Sequence[str]) -> list[str]:
    """Return the metrics to show: those that are wanted, or those with thresholds, or all."""
    if wanted:
        return list(dict.fromkeys(wanted))
    bounded = {name for each in history.evaluations for name in each.bounds}
    return [name for name in history.metrics if name in bounded or not bounded]


def check_measured(history: History, wanted: Sequence[str]) -> None:
    """Refuse a slice and metrics that no evaluation measured: most likely they are misspelt.

    Raises:
        ConfigurationError: there are such.
    """
    if not history.evaluations:
        return
    where = describe(tuple(history.slice.items()))
    if history.slice and not history.metrics:
        raise ConfigurationError(
            f"none of the {len(history.evaluations)} evaluations measured anything {where}; name a "
            "slice of theirs, with its value's type: 7 isn't \"7\""
        )
    unknown = [name for name in wanted if name not in history.metrics]
    if unknown:
        raise ConfigurationError(
            f"no evaluation measured {', '.join(map(repr, unknown))} {where}; there are "
            f"{', '.join(map(repr, history.metrics))}"
        )


def write_page(history: History, file: Path, metrics: Sequence[str] = ()) -> None:
    """Write a page that needs no other file, for light and dark."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"number": _number, "window": _window, "bound": _bound}
    shown = choose_metrics(history, metrics)
    html = environment.get_template(_TEMPLATE).render(
        history=history,
        where=describe(tuple(history.slice.items())),
        metrics=shown,
        pictures=[(name, picture(history, name)) for name in shown[:MAX_PICTURES]],
        num_undrawn=max(0, len(shown) - MAX_PICTURES),
    )
    file.write_text(html, encoding="utf-8")


def picture(history: History, metric: str) -> str:
    """Return an SVG of one metric by window, in the colours of the page that it stands in.

    Those are ``--candidate``, ``--baseline`` and ``--negative``. Empty text if no evaluation has a
    window and a value.
    """
    moments = [
        Moment(
            each.window.end_time,
            _or_nan(each.metrics.get(metric)),
            _or_nan(each.baseline_metrics.get(metric)),
            each.blessed,
            each.fate == "live",
            _or_nan(each.bounds[metric].lower if metric in each.bounds else None),
            _or_nan(each.bounds[metric].upper if metric in each.bounds else None),
        )
        for each in history.evaluations
        if each.window is not None
    ]
    if all(math.isnan(moment.value) for moment in moments):
        return ""
    return draw_history(moments, metric)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _number(value: float | None) -> str:
    return "–" if value is None else numbers(value)[0]


def _bound(bound: Bound | None) -> str:
    if bound is None:
        return ""
    limits = (("≥", bound.lower), ("≤", bound.upper))
    return " ".join(f"{sign} {limit:.10g}" for sign, limit in limits if limit is not None)


def _window(evaluation: Evaluation) -> str:
    """Write a window as dates where it begins and ends at midnight."""
    window = evaluation.window
    if window is None:
        return "unknown"
    return "/".join(text.removesuffix("T00:00:00Z") for text in (window.start, window.end))
