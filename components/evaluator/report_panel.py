"""Puts together the pictures of what each output was asked for: curves, bins, confusion."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from markupsafe import Markup

from components.evaluator import report_picture as picture
from components.evaluator import report_points as points
from components.evaluator.batch import View
from components.evaluator.class_matrix import ClassMatrix
from components.evaluator.exact_sum import Array
from components.evaluator.histogram import BucketSums, ScoreHistogram, Scores
from components.evaluator.judgement import CANDIDATE, Case
from components.evaluator.report_confusion import ConfusionTable, binary_table, class_table
from components.evaluator.slice_detail import Detail
from components.evaluator.statistic import Confusion

MAX_PANELS = 6
_Group = tuple[str, View | None, bool]
"""Output, view, whether weighted."""
_T = TypeVar("_T")


@dataclass(frozen=True)
class Panel:
    """What is shown of one output.

    Attributes:
        title: empty where nothing tells it from others.
        pictures: title and SVG.
        confusions: tables.
    """

    title: str
    pictures: tuple[tuple[str, Markup], ...]
    confusions: tuple[ConfusionTable, ...]


def panels(case: Case) -> tuple[tuple[Panel, ...], int]:
    """Return at most `MAX_PANELS`, and how many more there would be.

    A picture takes statistics that some metric needed anyway, so one that no metric needs is left
    out, and so is a baseline with a NaN among its predictions; of such a candidate nothing is
    drawn.
    """
    if not case.measurements.models[CANDIDATE].detail:
        return (), 0
    details = {
        (CANDIDATE if name == CANDIDATE else case.baseline_title): measured.detail
        for name, measured in case.measurements.models.items()
        if measured.detail
    }
    groups: dict[_Group, list[Any]] = {}
    for detail in details.values():
        for output, statistic in detail:
            view = None if isinstance(statistic, ClassMatrix) else statistic.view
            group = (output, view, statistic.weighted)
            members = groups.setdefault(group, [])
            if statistic not in members:
                members.append(statistic)
    made = [
        _panel(group, {each: _by_model(details, (group[0], each)) for each in members})
        for group, members in list(groups.items())[:MAX_PANELS]
    ]
    return tuple(made), max(0, len(groups) - MAX_PANELS)


def _by_model(details: Mapping[str, Detail], key: Any) -> dict[str, Any]:
    return {title: detail[key] for title, detail in details.items() if key in detail}


def _panel(group: _Group, sums: Mapping[Any, Mapping[str, Any]]) -> Panel:
    pictures: list[tuple[str, Markup]] = []
    confusions = []
    histogram = next((each for each in sums if isinstance(each, ScoreHistogram)), None)
    if histogram is not None:
        pictures += _of_scores(sums[histogram])
    else:
        for each in sums:
            if isinstance(each, BucketSums):
                pictures += _calibration(_drawn(points.number_calibration_points, sums[each]))
    matrices = [each for each in sums if isinstance(each, Confusion)]
    if matrices:
        confusions.append(_binary(matrices, sums))
    elif histogram is not None:
        at_half = {name: points.confusion_at_half(each) for name, each in sums[histogram].items()}
        confusions.append(binary_table(at_half, "positive from 0.5 on"))
    confusions += [
        class_table(sums[each], f"predicted if above {each.threshold:g}")
        for each in sums
        if isinstance(each, ClassMatrix)
    ]
    return Panel(_title(group), tuple(pictures), tuple(confusions))


def _of_scores(scores: Mapping[str, Scores]) -> list[tuple[str, Markup]]:
    made = []
    roc = _drawn(points.roc_points, scores)
    if roc:
        first = next(iter(scores.values()))
        positives = float(first.positives.sum())
        share = positives / (positives + float(first.negatives.sum()))
        made.append(("ROC curve", picture.draw_roc(roc)))
        curves = _drawn(points.precision_recall_points, scores)
        made.append(("Precision and recall", picture.draw_precision_recall(curves, share)))
    made += _calibration(_drawn(points.calibration_points, scores))
    spread = {name: points.distribution(each) for name, each in scores.items()}
    made.append(("Distribution of predictions", picture.draw_distributions(spread)))
    return made


def _calibration(lines: Mapping[str, points.Points]) -> list[tuple[str, Markup]]:
    return [("Calibration", picture.draw_calibration(lines))] if lines else []


def _drawn(make: Callable[[Any], _T | None], sums: Mapping[str, Any]) -> dict[str, _T]:
    made = {name: make(each) for name, each in sums.items()}
    return {name: each for name, each in made.items() if each is not None}


def _binary(matrices: list[Confusion], sums: Mapping[Any, Mapping[str, Array]]) -> ConfusionTable:
    """Return the table of the threshold that is nearest to 0.5."""
    distance, matrix, index = min(
        (
            (abs(threshold - 0.5), matrix, index)
            for matrix in matrices
            for index, threshold in enumerate(matrix.thresholds)
        ),
        key=lambda found: found[0],
    )
    del distance
    chosen = {name: np.asarray(each)[index] for name, each in sums[matrix].items()}
    return binary_table(chosen, f"positive above {matrix.thresholds[index]:g}")


def _title(group: _Group) -> str:
    output, view, weighted = group
    words = [f"output {output}"] if output else []
    if view is not None and view.class_id is not None:
        words.append(f"class {view.class_id}")
    elif view is not None and view.k is not None:
        words.append(f"the class with the prediction number {view.k}")
    elif view is not None and view.top_k is not None:
        words.append(f"the {view.top_k} highest predictions")
    elif view is not None and not view.is_plain:
        words.append("several classes together")
    if weighted:
        words.append("weighted")
    return ", ".join(words)
