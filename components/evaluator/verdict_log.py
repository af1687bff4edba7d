"""Shows a verdict in the log, as a compact table."""

import logging

import tabulate

from components.evaluator.slice_key import describe
from components.evaluator.wording import numbers
from components.records import Blessing, Bound, Finding

_MAX_ROWS = 50
_log = logging.getLogger(__name__)


def log_verdict(blessing: Blessing) -> None:
    """Log the thresholds, those that failed first, then the verdict and the reasons."""
    ordered = sorted(blessing.findings, key=lambda finding: finding.passed)
    with_intervals = any(finding.interval is not None for finding in ordered[:_MAX_ROWS])
    headers = ["", "check", "metric", "slice", "value", "bound", "baseline", "interval"]
    table = tabulate.tabulate(
        [_row(finding)[: len(headers) - (not with_intervals)] for finding in ordered[:_MAX_ROWS]],
        headers=headers if with_intervals else headers[:-1],
        tablefmt="simple",
        disable_numparse=True,
    )
    for line in table.splitlines():
        _log.info("%s", line)
    if len(ordered) > _MAX_ROWS:
        _log.info("… and %d more in record.json", len(ordered) - _MAX_ROWS)
    for finding in blessing.failures[:_MAX_ROWS]:
        _log.warning("%s", finding.message)
    _log.info("%s", "BLESSED" if blessing.blessed else "NOT BLESSED")


def _row(finding: Finding) -> list[str]:
    return [
        "ok" if finding.passed else "FAILED",
        finding.check,
        finding.metric or "",
        describe(tuple(finding.slice.items())).removeprefix("for "),
        _number(finding.observed),
        _bound(finding.bound),
        _number(finding.baseline),
        _interval(finding.interval),
    ]


def _number(value: float | None) -> str:
    return "" if value is None else numbers(value)[0]


def _interval(interval: Bound | None) -> str:
    if interval is None or interval.lower is None or interval.upper is None:
        return ""
    return " to ".join(numbers(interval.lower, interval.upper))


def _bound(bound: Bound | None) -> str:
    if bound is None:
        return ""
    lower = f"≥ {_number(bound.lower)}" if bound.lower is not None else ""
    upper = f"≤ {_number(bound.upper)}" if bound.upper is not None else ""
    return " and ".join(filter(None, (lower, upper)))
