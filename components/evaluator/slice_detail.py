"""What pictures are drawn from: distributions and confusions in one slice, of what was added up."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from components.evaluator.class_matrix import ClassMatrix
from components.evaluator.exact_sum import Array
from components.evaluator.histogram import BucketSums, ScoreHistogram, Scores
from components.evaluator.slice_key import OVERALL, SliceKey
from components.evaluator.statistic import Confusion, Statistic

Drawn = ScoreHistogram | BucketSums | Confusion | ClassMatrix
"""The statistics that can be drawn."""
Detail = Mapping[tuple[str, Drawn], Any]
"""Sums in one slice by output ("" being the only one) and statistic: of a `ScoreHistogram` as
`Scores`, of others as their results say for the slice."""


def choose_slice(keys: Sequence[SliceKey], num_examples: Array) -> int | None:
    """Return where the slice is that pictures show: overall, else the greatest; None without any.

    Args:
        keys: sorted, overall first.
        num_examples: of each, `(num_slices,)`.
    """
    if not keys:
        return None
    return 0 if keys[0] == OVERALL else int(np.argmax(num_examples))


def select(results: Mapping[tuple[str, Statistic], Any], position: int) -> Detail:
    """Take out of all slices' results what can be drawn of one."""
    return {
        (output, statistic): _of_slice(result, position)
        for (output, statistic), result in results.items()
        if isinstance(statistic, Drawn)
    }


def _of_slice(result: Any, position: int) -> Any:
    if not isinstance(result, Scores):
        return result[position]
    start, end = np.searchsorted(result.slices, [position, position + 1])
    return Scores(
        np.zeros(end - start, np.int64),
        result.buckets[start:end].copy(),
        result.negatives[start:end].copy(),
        result.positives[start:end].copy(),
        1,
    )
