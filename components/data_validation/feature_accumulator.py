"""What is kept of one feature while its values stream by; partial results add up."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tfx_bsl.sketches import KmvSketch, MisraGriesSketch, QuantilesSketch

from components.data_validation.arrow_numbers import to_arrow, to_numpy
from components.errors import DataError

Array = np.ndarray[Any, Any]
QUANTILE_ERROR = 0.001
_MAX_ELEMENTS = 1 << 40
_MAX_BYTES = 1024
_LONG_VALUE = b"__LARGE_BYTES__"
"""What longer texts are counted as together, as in TFDV: else each would stand in the statistics
and on the page whole."""
NUM_COUNTED = 16384
"""Below this many distinct values, counts of texts are exact; so it is in TFDV."""


@dataclass
class Presence:
    """In how many examples a feature stands, and with how many values."""

    num_non_missing: int = 0
    num_missing: int = 0
    lengths: dict[int, int] = field(default_factory=dict)
    """How many examples have so many values; missing ones left out."""

    @property
    def num_values(self) -> int:
        """All values together."""
        return sum(length * count for length, count in self.lengths.items())

    def add(self, lengths: Array, num_missing: int) -> None:
        """Add the lengths of the lists of a batch."""
        self.num_non_missing += len(lengths)
        self.num_missing += num_missing
        if not len(lengths):
            return
        if lengths.min() == lengths.max():  # as in most tables
            self._count(int(lengths[0]), len(lengths))
            return
        for length, count in zip(*np.unique(lengths, return_counts=True), strict=True):
            self._count(int(length), int(count))

    def merge(self, other: "Presence") -> None:
        """Add what another has seen."""
        self.num_non_missing += other.num_non_missing
        self.num_missing += other.num_missing
        for length, count in other.lengths.items():
            self._count(length, count)

    def _count(self, length: int, count: int) -> None:
        self.lengths[length] = self.lengths.get(length, 0) + count


class Numbers:
    """Of whole or floating-point numbers: moments, extremes, quantiles.

    Moments are those of the finite values. They are merged by Chan's formula (Chan, Golub and
    LeVeque, 1979); variance is of the population, as in TFDV.
    """

    def __init__(self) -> None:
        self.count = self.num_zeros = self.num_nan = self.num_infinite = 0
        self.mean = self.squares = 0.0
        self.minimum, self.maximum = np.inf, -np.inf
        self.sketch = QuantilesSketch(QUANTILE_ERROR, _MAX_ELEMENTS, 1)

    def add(self, values: pa.Array) -> None:
        """Add the values of a batch."""
        distinct, counts = _counted(values)
        is_nan, is_finite = np.isnan(distinct), np.isfinite(distinct)
        self.num_nan += int(counts[is_nan].sum())
        self.num_infinite += int(counts[~is_nan & ~is_finite].sum())
        finite, times = distinct[is_finite], counts[is_finite]
        distinct, counts = distinct[~is_nan], counts[~is_nan]
        if not len(distinct):
            return
        self.num_zeros += int(counts[distinct == 0].sum())
        self.minimum = min(self.minimum, float(distinct[0]))
        self.maximum = max(self.maximum, float(distinct[-1]))
        self.sketch.AddValues(to_arrow(distinct), to_arrow(counts.astype(np.float64)))
        if len(finite):
            count = int(times.sum())
            mean = float(finite @ times) / count
            self._add_moments(count, mean, float(np.square(finite - mean) @ times))

    def merge(self, other: "Numbers") -> None:
        """Add what another has seen."""
        self.num_zeros += other.num_zeros
        self.num_nan += other.num_nan
        self.num_infinite += other.num_infinite
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)
        self.sketch.Merge(other.sketch)
        self._add_moments(other.count, other.mean, other.squares)

    def _add_moments(self, count: int, mean: float, squares: float) -> None:
        if count == 0:
            return
        total = self.count + count
        shift = mean - self.mean
        self.mean += shift * count / total
        self.squares += squares + shift * shift * self.count * count / total
        self.count = total


class Texts:
    """Of text or bytes: how often each stands, how many different ones, how long."""

    def __init__(self) -> None:
        self.num_bytes = self.num_invalid = 0
        self.minimum, self.maximum = np.inf, 0
        self.counts = MisraGriesSketch(NUM_COUNTED, "__BYTES_VALUE__")
        self.distinct = KmvSketch(NUM_COUNTED)

    def add(self, values: pa.Array) -> None:
        """Add the values of a batch."""
        if not len(values):
            return
        counted = values.value_counts()
        texts, numbers = counted.field("values"), counted.field("counts")
        lengths = to_numpy(pc.binary_length(texts))
        times = to_numpy(numbers)
        self.num_bytes += int((lengths * times).sum())
        self.minimum = min(self.minimum, int(lengths.min()))
        self.maximum = max(self.maximum, int(lengths.max()))
        self.num_invalid += _num_invalid(texts, times)
        self.distinct.AddValues(texts)
        if lengths.max() > _MAX_BYTES:  # the sketch itself replaces only values without weights
            long = pa.array(lengths > _MAX_BYTES)
            texts = pc.if_else(long, pa.scalar(_LONG_VALUE, texts.type), texts)
        self.counts.AddValues(texts, to_arrow(times.astype(np.float32)))

    def merge(self, other: "Texts") -> None:
        """Add what another has seen."""
        self.num_bytes += other.num_bytes
        self.num_invalid += other.num_invalid
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)
        self.counts.Merge(other.counts)
        self.distinct.Merge(other.distinct)


class FeatureAccumulator:
    """One feature: its type, presence and values."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.kind: str | None = None
        """``INT``, ``FLOAT`` or ``STRING``; None while no value was seen."""
        self.presence = Presence()
        self.values: Numbers | Texts | None = None

    def add(self, column: pa.Array) -> None:
        """Add a batch's column of lists.

        An empty list counts as missing, like null: that is how ExampleGen writes a null, and
        `tf.io.parse_example` makes no difference.

        Raises:
            DataError: values of another type than before.
        """
        if pa.types.is_null(column.type):
            self.presence.add(np.empty(0, np.int64), len(column))
            return
        present = column.drop_null() if column.null_count else column
        lengths = to_numpy(pc.list_value_length(present))
        if len(lengths) and lengths.min() == 0:
            lengths = lengths[lengths > 0]
        self.presence.add(lengths, len(column) - len(lengths))
        flat = column.flatten()
        if len(flat):
            self._accumulator(_kind(flat.type)).add(flat)

    def add_missing(self, num_examples: int) -> None:
        """Add examples that haven't the feature."""
        self.presence.num_missing += num_examples

    def merge(self, other: "FeatureAccumulator") -> None:
        """Add what another has seen.

        Raises:
            DataError: it saw values of another type.
        """
        self.presence.merge(other.presence)
        if other.kind is not None and other.values is not None:
            self._accumulator(other.kind).merge(other.values)  # type: ignore[arg-type]

    def _accumulator(self, kind: str) -> Numbers | Texts:
        if self.kind not in (None, kind):
            raise DataError(
                f"the feature {self.name!r} is {self.kind} in some examples and {kind} in others; "
                "expected one type: see where the data comes from"
            )
        self.kind = kind
        if self.values is None:
            self.values = Texts() if kind == "STRING" else Numbers()
        return self.values


def _kind(type_: pa.DataType) -> str:
    if pa.types.is_integer(type_):
        return "INT"
    return "FLOAT" if pa.types.is_floating(type_) else "STRING"


def _counted(values: pa.Array) -> tuple[Array, Array]:
    """Return the distinct numbers as float64, ascending, NaN last, and how often each stands.

    By hashing, which takes a fraction of the time of sorting where numbers repeat.
    """
    counted = values.value_counts()
    distinct = to_numpy(counted.field("values")).astype(np.float64)
    counts = to_numpy(counted.field("counts"))
    order = np.argsort(distinct)
    return distinct[order], counts[order]


def _num_invalid(texts: pa.Array, times: Array) -> int:
    """Return how many values aren't UTF-8."""
    try:
        texts.cast(pa.large_string() if pa.types.is_large_binary(texts.type) else pa.string())
    except pa.ArrowInvalid:
        pairs = zip(texts.to_pylist(), times, strict=True)
        return sum(int(time) for text, time in pairs if not _is_text(text))
    return 0


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
