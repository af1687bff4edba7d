"""Sums by slice and cell, of which only those that occur are kept."""

import itertools
from collections.abc import Iterator

import numpy as np

from components.evaluator.exact_sum import Array, Counts, ExactSums, Totals

_MAX_PENDING = 1 << 19


class KeyedSums:
    """Memory grows with the cells that occur, not with slices times cells.

    A cell's key is slice · `width` + cell. New keys wait, and are then sorted in.

    Args:
        width: so many cells a slice has, at most; times the slices below 2^63.
        counts: whether only to count, which is quicker.
    """

    def __init__(self, width: int, *, counts: bool) -> None:
        self._width = width
        self._new: type[Counts] | type[ExactSums] = Counts if counts else ExactSums
        self._keys = np.zeros(0, np.int64)
        self._totals: Totals = self._new()
        self._pending: list[tuple[Array, Array | None]] = []
        self._num_pending = 0

    def add(self, slices: Array, cells: Array, values: Array | None) -> None:
        """Add values, None meaning ones; all arrays are `(n,)`."""
        self._pending.append((slices * self._width + cells, values))
        self._num_pending += len(slices)
        if self._num_pending > _MAX_PENDING:
            self._settle()

    def merge(self, other: "KeyedSums", slices: Array) -> None:
        """Add another's sums; its slice i is this one's `slices[i]`."""
        self._settle()
        other._settle()
        of_slice, cells = np.divmod(other._keys, self._width)
        renamed = slices[of_slice] * self._width + cells
        self._insert(renamed)
        positions = np.searchsorted(self._keys, renamed)
        self._totals.add_totals(other._totals, positions, len(self._keys))

    def result(self) -> tuple[Array, Array, Array]:
        """Return slices, cells and sums, `(num_occurring,)` each, sorted by slice and cell."""
        self._settle()
        slices, cells = np.divmod(self._keys, self._width)
        return slices, cells, self._totals.result(len(self._keys))

    def by_slice(self, num_slices: int) -> Iterator[tuple[Array, Array]]:
        """Yield cells and sums of each slice."""
        slices, cells, sums = self.result()
        bounds = np.searchsorted(slices, np.arange(num_slices + 1))
        for start, end in itertools.pairwise(bounds.tolist()):
            yield cells[start:end], sums[start:end]

    def _settle(self) -> None:
        if not self._pending:
            return
        keys = np.concatenate([keys for keys, _ in self._pending])
        values = [value for _, value in self._pending if value is not None]
        self._pending, self._num_pending = [], 0
        distinct, positions = np.unique(keys, return_inverse=True)
        self._insert(distinct)
        self._totals.add(
            np.searchsorted(self._keys, distinct)[positions],
            np.concatenate(values) if values else None,
            len(self._keys),
        )

    def _insert(self, keys: Array) -> None:
        """Make room for keys: move the sums to where their keys will be."""
        merged, _ = runs(np.sort(np.concatenate([self._keys, keys]), kind="stable"))
        if len(merged) > len(self._keys):
            moved: Totals = self._new()
            moved.add_totals(self._totals, np.searchsorted(merged, self._keys), len(merged))
            self._keys, self._totals = merged, moved


def runs(keys: Array) -> tuple[Array, Array]:
    """Return the distinct ones of sorted keys, and where each begins."""
    starts = np.flatnonzero(np.concatenate([np.ones(min(len(keys), 1), bool), np.diff(keys) != 0]))
    return keys[starts], starts
