"""Draws a metric by data window."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from components.evaluator.exact_sum import Array
from components.evaluator.report_picture import BASELINE, CANDIDATE, NEGATIVE, TEXT, make_picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INCHES = (8.0, 4.0)


@dataclass(frozen=True)
class Moment:
    """A metric at one evaluation; numbers are NaN where there are none.

    Attributes:
        at: the end of the data window, UTC.
        value: the candidate's.
        baseline: that of what was live then.
        is_blessed: the candidate.
        is_live: the candidate, now.
        lower: the least that was asked for.
        upper: the most.
    """

    at: datetime
    value: float
    baseline: float
    is_blessed: bool
    is_live: bool
    lower: float
    upper: float


_MARKERS: Sequence[tuple[str, str, str, int, Callable[[Moment], bool]]] = (
    ("blessed", "o", CANDIDATE, 40, lambda moment: moment.is_blessed),
    ("not blessed", "X", NEGATIVE, 60, lambda moment: not moment.is_blessed),
    ("live", "*", BASELINE, 150, lambda moment: moment.is_live),
)


def draw_history(moments: Sequence[Moment], metric: str) -> Markup:
    """Return a picture; of each window the last evaluation is joined to the next."""
    known = [moment for moment in moments if not math.isnan(moment.value)]
    last = list({moment.at: moment for moment in known}.values())

    def draw(axes: "Axes") -> None:
        axes.plot(_times(last), [m.value for m in last], color=CANDIDATE, linewidth=1.5, alpha=0.6)
        _line(axes, last, [m.baseline for m in last], "live then", BASELINE, "--")
        _line(axes, last, [m.lower for m in last], "at least", TEXT, "-.")
        _line(axes, last, [m.upper for m in last], "at most", TEXT, ":")
        for label, marker, colour, size, fits in _MARKERS:
            chosen = [moment for moment in known if fits(moment)]
            if chosen:
                values = [moment.value for moment in chosen]
                axes.scatter(
                    _times(chosen), values, s=size, marker=marker, color=colour, label=label,
                    zorder=3,
                )  # fmt: skip
        axes.set(ylabel=metric)
        axes.margins(y=0.15)
        axes.legend(loc="best", frameon=False, ncols=2)
        axes.tick_params(axis="x", labelrotation=30)

    return make_picture(draw, f"{metric} by data window", _INCHES)


def _line(
    axes: "Axes",
    moments: Sequence[Moment],
    values: Sequence[float],
    label: str,
    colour: str,
    style: str,
) -> None:
    if not all(map(math.isnan, values)):
        axes.plot(
            _times(moments), values, label=label, color=colour, linestyle=style, linewidth=1.3,
            alpha=0.7,
        )  # fmt: skip


def _times(moments: Sequence[Moment]) -> Array:
    naive = [moment.at.replace(tzinfo=None) for moment in moments]
    return np.array(naive, dtype="datetime64[s]")
