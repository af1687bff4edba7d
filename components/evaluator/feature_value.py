"""Labels, weights and other values of a batch of examples, and what is wrong with them."""

from dataclasses import dataclass

import numpy as np

from components.errors import DataError
from components.evaluator.exact_sum import Array


@dataclass(frozen=True)
class Values:
    """The values of one feature in a batch.

    Attributes:
        splits: `(num_examples + 1,)`, int64: where each example's values begin, and the last end.
        values: `(num_values,)`.
    """

    splits: Array
    values: Array

    @property
    def counts(self) -> Array:
        """How many values each example has, `(num_examples,)`."""
        return np.diff(self.splits)

    @property
    def rows(self) -> Array:
        """Whose value each is, `(num_values,)`, ascending."""
        counts = self.counts
        if len(counts) == self.splits[-1] and (counts == 1).all():
            return np.arange(len(counts))
        return np.repeat(np.arange(len(counts)), counts)


@dataclass(frozen=True)
class Place:
    """A batch within all examples.

    Attributes:
        start: how many came before.
        size: how many it has.
    """

    start: int
    size: int

    def labels(self, name: str, given: Values) -> Array:
        """Return `(size,)`, or `(size, num_values)` where each example has several; float64.

        Raises:
            DataError: missing, of different number, or text.
        """
        counts = given.counts
        usual = max(int(np.bincount(counts).argmax()), 1)
        if (counts != usual).any():
            wrong = np.flatnonzero(counts != usual)
            raise DataError(
                f"{len(wrong)} of the {self} don't have exactly "
                f"{'one label' if usual == 1 else f'{usual} labels'} {name!r}; the first is "
                f"example {self.start + int(wrong[0]) + 1}, which has {counts[wrong[0]]}. Give "
                "every example as many"
            )
        labels = _to_numbers(name, given.values)
        return labels if usual == 1 else labels.reshape(self.size, usual)

    def weights(self, name: str, given: Values) -> Array:
        """Return `(size,)`, float64; 1 where there is none.

        Raises:
            DataError: several, not finite, or text.
        """
        weights = np.ones(self.size)
        numbers = _to_numbers(name, given.values)
        if (given.counts > 1).any() or not np.isfinite(numbers).all():
            raise DataError(
                f"some of the {self} have several weights {name!r}, or one that isn't finite; "
                "expected one number, or none, which counts as 1"
            )
        weights[given.rows] = numbers
        return weights

    def numbers(self, name: str, given: Values) -> Array:
        """Return `(size,)`, float64.

        Raises:
            DataError: missing, several, not finite, or text.
        """
        self._check_one(name, given)
        numbers = _to_numbers(name, given.values)
        if not np.isfinite(numbers).all():
            raise DataError(f"some of the {self} have a {name!r} that isn't finite")
        return numbers

    def names(self, name: str, given: Values) -> Array:
        """Return `(size,)`, texts.

        Raises:
            DataError: missing or several.
        """
        self._check_one(name, given)
        values = given.values
        if values.dtype == object:
            return np.array([value.decode("utf-8", "backslashreplace") for value in values], "U")
        return values.astype("U")

    def _check_one(self, name: str, given: Values) -> None:
        counts = given.counts
        if (counts != 1).any():
            row = int(np.flatnonzero(counts != 1)[0])
            raise DataError(
                f"example {self.start + row + 1} has {counts[row]} values of {name!r}; expected one"
            )

    def __str__(self) -> str:
        return f"examples {self.start + 1} to {self.start + self.size}"


def _to_numbers(name: str, values: Array) -> Array:
    if values.dtype == object:
        raise DataError(f"{name!r} holds text, for instance {values[0]!r}; expected numbers")
    return values.astype(np.float64)
