"""What was predicted where what is true, as tables of a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from components.evaluator.class_matrix import NO_CLASS
from components.evaluator.exact_sum import Array

MAX_CLASSES = 12
MAX_PAIRS = 20
_CellKey = tuple[str, str]


@dataclass(frozen=True)
class Cell:
    """One true and one predicted class.

    Attributes:
        number: the candidate's, for people.
        share: of the examples of the true class, from 0 to 1.
        is_right: whether it is the true class that was predicted.
        baseline: the baseline's number; empty without one.
    """

    number: str
    share: float
    is_right: bool
    baseline: str


@dataclass(frozen=True)
class ConfusionTable:
    """Rows of true classes.

    Attributes:
        caption: what it shows.
        columns: predicted classes.
        rows: true class, and its cells.
        pairs: where there are too many classes for rows: true class, predicted class and cell of
            the most frequent mistakes.
    """

    caption: str
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, tuple[Cell, ...]], ...] = ()
    pairs: tuple[tuple[str, str, Cell], ...] = ()


def binary_table(by_model: Mapping[str, Array], caption: str) -> ConfusionTable:
    """Return a table of two classes.

    Args:
        by_model: the candidate first: TN, FP, FN, TP, `(4,)`.
        caption: what it shows.
    """
    names = (("0", "0"), ("0", "1"), ("1", "0"), ("1", "1"))
    counts = [dict(zip(names, each.tolist(), strict=True)) for each in by_model.values()]
    return _table(counts, ["0", "1"], ["0", "1"], caption)


def class_table(by_model: Mapping[str, Array], caption: str) -> ConfusionTable:
    """Return a table of several classes, or of the most frequent mistakes if they are many.

    Args:
        by_model: the candidate first: true class, predicted class, number, `(num_occurring, 3)`.
        caption: what it shows.
    """
    counts = [
        {(_name(actual), _name(predicted)): count for actual, predicted, count in each.tolist()}
        for each in by_model.values()
    ]
    cells = np.concatenate(list(by_model.values()))
    actual, predicted = (np.unique(cells[:, column]).tolist() for column in (0, 1))
    if len(actual) <= MAX_CLASSES and len(predicted) <= MAX_CLASSES + 1:
        return _table(counts, list(map(_name, actual)), list(map(_name, predicted)), caption)
    wrong = sorted(
        (pair for pair in counts[0] if pair[0] != pair[1]), key=lambda pair: -counts[0][pair]
    )
    totals = _totals(counts[0])
    pairs = tuple((*pair, _cell(counts, pair, totals)) for pair in wrong[:MAX_PAIRS])
    return ConfusionTable(f"{caption}: the most frequent mistakes", pairs=pairs)


def _table(
    counts: Sequence[Mapping[_CellKey, float]],
    actual: Sequence[str],
    predicted: Sequence[str],
    caption: str,
) -> ConfusionTable:
    totals = _totals(counts[0])
    rows = tuple(
        (row, tuple(_cell(counts, (row, column), totals) for column in predicted)) for row in actual
    )
    return ConfusionTable(caption, tuple(predicted), rows)


def _totals(counts: Mapping[_CellKey, float]) -> Mapping[str, float]:
    totals: dict[str, float] = {}
    for (actual, _), count in counts.items():
        totals[actual] = totals.get(actual, 0.0) + count
    return totals


def _cell(
    counts: Sequence[Mapping[_CellKey, float]], pair: _CellKey, totals: Mapping[str, float]
) -> Cell:
    count, total = counts[0].get(pair, 0.0), totals.get(pair[0], 0.0)
    return Cell(
        number=_count(count),
        share=count / total if total > 0 else 0.0,
        is_right=pair[0] == pair[1],
        baseline=_count(counts[1].get(pair, 0.0)) if len(counts) > 1 else "",
    )


def _count(number: float) -> str:
    return f"{number:,.0f}" if number.is_integer() else f"{number:,.1f}"


def _name(class_id: float) -> str:
    return "none" if class_id == NO_CLASS else str(int(class_id))
