"""Draws a report's pictures as SVG that takes the page's colours, light or dark."""

import html
import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup

from components.evaluator.report_points import Distribution, Points

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Draw = Callable[["Axes"], None]
_INCHES = (5.0, 4.0)
TEXT, CANDIDATE, BASELINE, NEGATIVE = "#010101", "#020202", "#030303", "#040404"
_COLOURS = {
    TEXT: "currentColor",
    CANDIDATE: "var(--candidate)",
    BASELINE: "var(--baseline)",
    NEGATIVE: "var(--negative)",
}
"""Colours that stand for those of the page."""
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "font.size": 11.0,
    **dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), TEXT
    ),
}
_LINES = ((CANDIDATE, 2.0, "-"), (BASELINE, 1.5, "--"))
"""Colour, width and style: the candidate's, then the baseline's."""


def draw_roc(lines: Mapping[str, Points]) -> Markup:
    """Return a picture of ROC curves.

    Args:
        lines: title → points, here and below; the candidate's first, then the baseline's.
    """

    def draw(axes: "Axes") -> None:
        _diagonal(axes, 0.0, 1.0, "chance")
        _plot(axes, lines)
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        axes.set(xlabel="false positive rate", ylabel="true positive rate (recall)")
        axes.legend(loc="lower right", frameon=False)

    return make_picture(draw, "ROC curve")


def draw_precision_recall(lines: Mapping[str, Points], share_of_positives: float) -> Markup:
    """Return a picture of precision-recall curves.

    Args:
        lines: as above.
        share_of_positives: the precision of a model that knows nothing.
    """

    def draw(axes: "Axes") -> None:
        axes.axhline(share_of_positives, color=TEXT, alpha=0.4, linewidth=1, label="chance")
        _plot(axes, lines)
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel="recall", ylabel="precision")
        axes.legend(loc="upper right", frameon=False)

    return make_picture(draw, "Precision-recall curve")


def draw_calibration(lines: Mapping[str, Points]) -> Markup:
    """Return a picture of mean labels over mean predictions; on the diagonal they agree."""
    ends = np.concatenate([values for each in lines.values() for values in (each.x, each.y)])
    low, high = min(0.0, float(ends.min())), float(ends.max())

    def draw(axes: "Axes") -> None:
        _diagonal(axes, low, high if high > low else low + 1.0, "perfectly calibrated")
        _plot(axes, lines, marker="o")
        axes.set(xlabel="mean prediction", ylabel="mean label")
        axes.legend(loc="upper left", frameon=False)

    return make_picture(draw, "Calibration")


def draw_distributions(spread: Mapping[str, Distribution]) -> Markup:
    """Return a picture of the predictions by label, the candidate's filled."""

    def draw(axes: "Axes") -> None:
        for number, (name, each) in enumerate(spread.items()):
            for label, shares, colour in (
                ("label 0", each.negatives, NEGATIVE),
                ("label 1", each.positives, CANDIDATE),
            ):
                style = "--" if number else "-"
                if not number:
                    axes.stairs(shares, each.edges, color=colour, fill=True, alpha=0.25)
                axes.stairs(
                    shares, each.edges, color=colour, linestyle=style, label=f"{name}, {label}"
                )
        highest = max(max(each.negatives.max(), each.positives.max()) for each in spread.values())
        # Room for the legend.
        axes.set(xlim=(0, _last_occupied(spread)), ylim=(0, 1.35 * highest or 1))
        axes.set(xlabel="prediction", ylabel="share of the label's examples")
        axes.legend(loc="upper right", frameon=False)

    return make_picture(draw, "Distribution of predictions")


def _last_occupied(spread: Mapping[str, Distribution]) -> float:
    """Return where the last bin ends that holds anything, so that no empty half is shown."""
    ends = [
        float(each.edges[1:][(each.negatives + each.positives) > 0].max(initial=0.0))
        for each in spread.values()
    ]
    return max(ends) or 1.0


def _diagonal(axes: "Axes", low: float, high: float, label: str) -> None:
    axes.plot([low, high], [low, high], color=TEXT, alpha=0.4, linewidth=1, label=label)


def _plot(axes: "Axes", lines: Mapping[str, Points], marker: str | None = None) -> None:
    for (name, each), (colour, width, style) in zip(lines.items(), _LINES, strict=False):
        axes.plot(
            each.x, each.y, label=name, color=colour, linewidth=width, linestyle=style,
            marker=marker, markersize=4,
        )  # fmt: skip


def make_picture(draw: Draw, title: str, inches: tuple[float, float] = _INCHES) -> Markup:
    """Return what `draw` draws, in `TEXT`, `CANDIDATE`, `BASELINE` and `NEGATIVE`.

    Args:
        draw: what to do with the axes.
        title: for screen readers.
        inches: width and height.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=inches, layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color=TEXT, alpha=0.12)
        axes.set_axisbelow(True)
        draw(axes)
        file = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(file, format="svg", transparent=True, metadata=nothing)
    return _inline(file.getvalue(), title)


def _inline(svg: str, title: str) -> Markup:
    """Return what may stand in a page: no prolog, no rule for the page's own elements."""
    svg = svg[svg.index("<svg") :].replace("*{stroke-linejoin", "svg *{stroke-linejoin", 1)
    svg = svg.replace("<svg ", f'<svg role="img" aria-label="{html.escape(title)}" ', 1)
    for stand_in, colour in _COLOURS.items():
        svg = svg.replace(stand_in, colour)
    return Markup(svg)  # noqa: S704 - matplotlib escapes the text that it draws
