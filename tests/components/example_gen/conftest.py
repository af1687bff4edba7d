"""What the tests of `example_gen` share: small tables, and rows read back by protobuf's parser."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.tfrecord import read_records


@pytest.fixture
def rows_of():
    """Return a split's rows as dicts of lists, in the order of the files."""
    from tensorflow.core.example.example_pb2 import Example

    def read(examples, split="train"):
        pattern = examples.splits[split].file_pattern
        found = []
        for file in sorted(Path(examples.uri).glob(pattern)):
            for record in read_records(file):
                features = Example.FromString(record).features.feature
                found.append(
                    {
                        name: list(getattr(feature, feature.WhichOneof("kind")).value)
                        for name, feature in features.items()
                    }
                )
        return found

    return read


@pytest.fixture
def write_parquet():
    """Write columns as a Parquet file below folders that are made."""

    def write(path, **columns):
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), path)
        return path

    return write
