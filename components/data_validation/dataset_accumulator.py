"""What is kept of one data set: a split, or a slice of it."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from components.data_validation.feature_accumulator import FeatureAccumulator
from components.errors import DataError

ALL_EXAMPLES = "All Examples"
"""TFDV's name for what isn't a slice."""
MAX_SLICES = 1000


class DatasetAccumulator:
    """All features of a data set."""

    def __init__(self) -> None:
        self.num_examples = 0
        self.features: dict[str, FeatureAccumulator] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        """Add a batch of examples."""
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            self._feature(name).add(column)
        for name in self.features.keys() - set(batch.schema.names):
            self.features[name].add_missing(batch.num_rows)
        self.num_examples += batch.num_rows

    def merge(self, other: "DatasetAccumulator") -> None:
        """Add what another has seen."""
        for name in self.features.keys() - other.features.keys():
            self.features[name].add_missing(other.num_examples)
        for name, feature in other.features.items():
            self._feature(name).merge(feature)
        self.num_examples += other.num_examples

    def _feature(self, name: str) -> FeatureAccumulator:
        feature = self.features.get(name)
        if feature is None:
            feature = self.features[name] = FeatureAccumulator(name)
            feature.add_missing(self.num_examples)
        return feature


class SplitAccumulator:
    """A split, and its slices by the values of some features.

    Args:
        slice_features: each makes a slice of each of its values, named ``FEATURE_VALUE``.
    """

    def __init__(self, slice_features: Sequence[str] = ()) -> None:
        self._slice_features = tuple(slice_features)
        self.datasets: dict[str, DatasetAccumulator] = {ALL_EXAMPLES: DatasetAccumulator()}

    def add(self, batch: pa.RecordBatch) -> None:
        """Add a batch of examples.

        Raises:
            DataError: too many slices, or no feature of that name.
        """
        self.datasets[ALL_EXAMPLES].add(batch)
        for name in self._slice_features:
            self._add_slices(batch, name)

    def merge(self, other: "SplitAccumulator") -> None:
        """Add what another has seen."""
        for name, dataset in other.datasets.items():
            self._dataset(name).merge(dataset)

    def _add_slices(self, batch: pa.RecordBatch, name: str) -> None:
        if name not in batch.schema.names:
            return
        column = batch.column(name)
        if pa.types.is_null(column.type):
            return
        rows, values = pc.list_parent_indices(column), column.flatten()
        encoded = values.dictionary_encode()
        for index, value in enumerate(encoded.dictionary.to_pylist()):
            chosen = pc.unique(rows.filter(pc.equal(encoded.indices, index)))
            self._dataset(f"{name}_{_shown(value)}").add(batch.take(chosen))

    def _dataset(self, name: str) -> DatasetAccumulator:
        if name not in self.datasets and len(self.datasets) > MAX_SLICES:
            raise DataError(
                f"{', '.join(self._slice_features)} have more than {MAX_SLICES} values together; "
                "slice by features with few values"
            )
        return self.datasets.setdefault(name, DatasetAccumulator())


def _shown(value: bytes | float) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
