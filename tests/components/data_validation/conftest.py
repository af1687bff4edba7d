"""Examples that are written by TensorFlow's own protos, and read by what is tested."""

import gzip

import pytest

from components import artifacts
from components.records import Examples, Split
from components.tfrecord import frame


def serialize(row):
    """Write a row as a `tf.Example`: a list's values, one value, or None where it is missing."""
    from tensorflow.core.example import example_pb2

    example = example_pb2.Example()
    for name, given in row.items():
        values = given if isinstance(given, list) else [given]
        if given is None:
            continue
        feature = example.features.feature[name]
        if isinstance(values[0], float):
            feature.float_list.value.extend(values)
        elif isinstance(values[0], int):
            feature.int64_list.value.extend(values)
        else:
            texts = [v.encode() if isinstance(v, str) else v for v in values]
            feature.bytes_list.value.extend(texts)
    return example.SerializeToString()


@pytest.fixture
def make_examples(tmp_path):
    """Write splits of rows; returns the record."""

    def make(name="examples", **splits):
        directory = tmp_path / name
        for split, rows in splits.items():
            folder = directory / f"Split-{split}"
            folder.mkdir(parents=True)
            data = b"".join(frame(serialize(row)) for row in rows)
            (folder / "data_tfrecord-00000-of-00001.gz").write_bytes(gzip.compress(data))
        return Examples(
            uri=str(directory),
            splits={split: Split(f"Split-{split}/*", len(rows)) for split, rows in splits.items()},
            digest=artifacts.digest(directory),
        )

    return make
