"""Finds the slices that each example of a batch belongs to."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from components.errors import DataError
from components.evaluator.exact_sum import Array
from components.evaluator.slice_key import OVERALL, SliceValue, SlicingSpec, is_text_of
from components.evaluator.tally import Membership

_MAX_COMBINATIONS = 2**62


@dataclass(frozen=True)
class Column:
    """The values of one feature in a batch; an example may have none, one or several.

    Attributes:
        rows: `(num_values,)`, int64: whose value, ascending.
        ids: `(num_values,)`, int64: position in `values`.
        values: the distinct values.
    """

    rows: Array
    ids: Array
    values: Sequence[SliceValue]


class Slicer:
    """Applies slicing specifications, as TFMA does.

    A missing or empty feature makes no slice; of several values each distinct one makes one; a
    cross is the product of its features' values.
    """

    def __init__(self, specs: Sequence[SlicingSpec]) -> None:
        self._specs = tuple(specs)
        shapes = [spec.features for spec in specs]
        self._may_overlap = len(set(shapes)) < len(shapes)

    @property
    def features(self) -> tuple[str, ...]:
        """The features that it needs, sorted."""
        return tuple(sorted({name for spec in self._specs for name in spec.features}))

    def slice(self, num_examples: int, columns: Mapping[str, Column]) -> Membership:
        """Return the slices of a batch; a feature that isn't among `columns` has no values."""
        parts = [_slice(spec, num_examples, columns) for spec in self._specs]
        keys = dict.fromkeys(key for part in parts for key in part.keys)
        numbers = {key: number for number, key in enumerate(keys)}
        rows = np.concatenate([part.rows for part in parts])
        positions = np.concatenate(
            [
                np.array([numbers[key] for key in part.keys], np.int64)[part.positions]
                for part in parts
            ]
        )
        if self._may_overlap:
            distinct = np.unique(rows * max(len(keys), 1) + positions)
            rows, positions = np.divmod(distinct, max(len(keys), 1))
        return Membership(list(keys), rows, positions)


def _slice(spec: SlicingSpec, num_examples: int, columns: Mapping[str, Column]) -> Membership:
    if not spec.features:
        return Membership(
            [OVERALL], np.arange(num_examples), np.zeros(num_examples, dtype=np.int64)
        )
    nothing = Column(np.zeros(0, np.int64), np.zeros(0, np.int64), ())
    chosen = [_choose(spec, name, columns.get(name, nothing)) for name in spec.features]
    if math.prod(len(column.values) for column in chosen) > _MAX_COMBINATIONS:
        raise DataError(
            f"the slices {spec} cross features with too many values: "
            f"{[len(column.values) for column in chosen]} in one batch; take one of them out"
        )
    rows, codes = chosen[0].rows, chosen[0].ids
    for column in chosen[1:]:
        left, right = _join(rows, column.rows)
        rows, codes = rows[left], codes[left] * len(column.values) + column.ids[right]
    distinct, positions = np.unique(codes, return_inverse=True)
    names = spec.features
    keys = [_decode(code, names, chosen) for code in distinct.tolist()]
    return Membership(keys, rows, positions)


def _choose(spec: SlicingSpec, name: str, column: Column) -> Column:
    """Keep the values that the specification wants, each once for an example."""
    rows, ids = column.rows, column.ids
    text = spec.required_text(name)
    if text is not None:
        wanted = np.array([is_text_of(text, value) for value in column.values], dtype=bool)
        kept = wanted[ids]
        rows, ids = rows[kept], ids[kept]
    if (np.diff(rows) == 0).any():
        distinct = np.unique(rows * len(column.values) + ids)
        rows, ids = np.divmod(distinct, len(column.values))
    return Column(rows, ids, column.values)


def _join(left_rows: Array, right_rows: Array) -> tuple[Array, Array]:
    """Return the positions of all pairs with the same row; both are ascending."""
    starts = np.searchsorted(right_rows, left_rows, side="left")
    counts = np.searchsorted(right_rows, left_rows, side="right") - starts
    left = np.repeat(np.arange(len(left_rows)), counts)
    offsets = np.arange(len(left)) - np.repeat(np.cumsum(counts) - counts, counts)
    return left, np.repeat(starts, counts) + offsets


def _decode(
    code: int, names: Sequence[str], columns: Sequence[Column]
) -> tuple[tuple[str, SliceValue], ...]:
    values: list[SliceValue] = []
    for column in reversed(columns[1:]):
        code, value_id = divmod(code, len(column.values))
        values.append(column.values[value_id])
    values.append(columns[0].values[code])
    return tuple(zip(names, reversed(values), strict=True))
