"""Finds the slices that each example of a batch belongs to."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from components.errors import DataError
from components.evaluator.exact_sum import Array
from components.evaluator.slice_key import OVERALL, SliceKey, SliceValue, SlicingSpec, is_text_of
from components.evaluator.tally import Membership

_CODE_BITS = 62
"""Of the number of a combination of values."""


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
    cross is the product of its features' values. It remembers the slices that it has seen.
    """

    def __init__(self, specs: Sequence[SlicingSpec]) -> None:
        self._specs = tuple(specs)
        shapes = [spec.features for spec in specs]
        self._may_overlap = len(set(shapes)) < len(shapes)
        self._keys: list[SliceKey] = []
        self._numbers: dict[SliceKey, int] = {}
        self._values = {name: _Values() for name in self.features}
        self._known = [_Codes() for _ in self._specs]

    @property
    def features(self) -> tuple[str, ...]:
        """The features that it needs, sorted."""
        return tuple(sorted({name for spec in self._specs for name in spec.features}))

    def slice(self, num_examples: int, columns: Mapping[str, Column]) -> Membership:
        """Return the slices of a batch; a feature that isn't among `columns` has no values."""
        numbered = {
            name: Column(column.rows, self._values[name].number(column.values)[column.ids], ())
            for name, column in columns.items()
            if name in self._values
        }
        parts = [
            self._slice(spec, known, num_examples, numbered)
            for spec, known in zip(self._specs, self._known, strict=True)
        ]
        rows = np.concatenate([rows for rows, _ in parts])
        positions = np.concatenate([positions for _, positions in parts])
        if self._may_overlap:
            distinct = np.unique(rows * max(len(self._keys), 1) + positions)
            rows, positions = np.divmod(distinct, max(len(self._keys), 1))
        return Membership(self._keys, rows, positions)

    def _slice(
        self,
        spec: SlicingSpec,
        known: "_Codes",
        num_examples: int,
        columns: Mapping[str, Column],
    ) -> tuple[Array, Array]:
        """Return rows and positions in `self._keys`."""
        names = spec.features
        if not names:
            return np.arange(num_examples), np.full(num_examples, self._number(OVERALL))
        radix = 1 << (_CODE_BITS // len(names))
        rows, codes = self._choose(spec, names[0], columns)
        for name in names[1:]:
            other_rows, ids = self._choose(spec, name, columns)
            left, right = _join(rows, other_rows)
            rows, codes = rows[left], codes[left] * radix + ids[right]
        if any(len(self._values[name].values) > radix for name in names):
            raise DataError(
                f"the slices {spec} cross features with too many values: "
                f"{[len(self._values[name].values) for name in names]}, of which each may have "
                f"{radix:,}; take one of them out"
            )
        return rows, known.number(codes, lambda code: self._number(self._decode(code, names)))

    def _choose(
        self, spec: SlicingSpec, name: str, columns: Mapping[str, Column]
    ) -> tuple[Array, Array]:
        """Return rows and ids of the values that the specification wants, each once a row."""
        column = columns.get(name)
        if column is None:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        rows, ids = column.rows, column.ids
        text = spec.required_text(name)
        if text is not None:
            kept = self._values[name].are(text)[ids]
            rows, ids = rows[kept], ids[kept]
        if (np.diff(rows) == 0).any():
            size = len(self._values[name].values)
            rows, ids = np.divmod(np.unique(rows * size + ids), size)
        return rows, ids

    def _decode(self, code: int, names: Sequence[str]) -> SliceKey:
        bits = _CODE_BITS // len(names)
        ids = [code >> (bits * place) & ((1 << bits) - 1) for place in reversed(range(len(names)))]
        return tuple(
            (name, self._values[name].values[value_id])
            for name, value_id in zip(names, ids, strict=True)
        )

    def _number(self, key: SliceKey) -> int:
        number = self._numbers.setdefault(key, len(self._keys))
        if number == len(self._keys):
            self._keys.append(key)
        return number


class _Values:
    """The values of a feature, numbered as they come."""

    def __init__(self) -> None:
        self.values: list[SliceValue] = []
        self._numbers: dict[tuple[type, SliceValue], int] = {}
        self._are: dict[str, list[bool]] = {}

    def number(self, values: Sequence[SliceValue]) -> Array:
        """Return the values' numbers, `(num_values,)`."""
        numbers = []
        for value in values:
            number = self._numbers.setdefault((type(value), value), len(self.values))
            if number == len(self.values):
                self.values.append(value)
            numbers.append(number)
        return np.array(numbers, np.int64)

    def are(self, text: str) -> Array:
        """Return which values a configuration's text means, `(num_values,)`, by number."""
        known = self._are.setdefault(text, [])
        known.extend(is_text_of(text, value) for value in self.values[len(known) :])
        return np.array(known, bool)


class _Codes:
    """Combinations of values, and the slices that they stand for."""

    def __init__(self) -> None:
        self._codes = np.zeros(0, np.int64)
        self._slices = np.zeros(0, np.int64)

    def number(self, codes: Array, number_of: Callable[[int], int]) -> Array:
        """Return the slices of codes; `number_of` says that of one that is new."""
        if not len(codes):
            return np.zeros(0, np.int64)
        places = np.searchsorted(self._codes, codes)
        is_new = np.append(self._codes, -1)[places] != codes
        if is_new.any():
            new = np.unique(codes[is_new])
            merged = np.concatenate([self._codes, new])
            slices = np.concatenate([self._slices, [number_of(code) for code in new.tolist()]])
            order = np.argsort(merged, kind="stable")
            self._codes, self._slices = merged[order], slices[order]
            places = np.searchsorted(self._codes, codes)
        return self._slices[places]


def _join(left_rows: Array, right_rows: Array) -> tuple[Array, Array]:
    """Return the positions of all pairs with the same row; both are ascending."""
    starts = np.searchsorted(right_rows, left_rows, side="left")
    counts = np.searchsorted(right_rows, left_rows, side="right") - starts
    if len(counts) and counts.min() == counts.max() == 1:
        return np.arange(len(left_rows)), starts
    left = np.repeat(np.arange(len(left_rows)), counts)
    offsets = np.arange(len(left)) - np.repeat(np.cumsum(counts) - counts, counts)
    return left, np.repeat(starts, counts) + offsets
