"""TFRecord files, read and written by TensorFlow on the other side."""

import pytest

from components.errors import DataError
from components.tfrecord import read_records, write_records

RECORDS = [b"", b"a", b"\x00" * 5000]


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_reads_what_tensorflow_writes(tmp_path, compression):
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(tmp_path / "file"), compression) as writer:
        for record in RECORDS:
            writer.write(record)
    assert list(read_records(tmp_path / "file")) == RECORDS


def test_tensorflow_reads_what_is_written(tmp_path):
    import tensorflow as tf

    write_records(tmp_path / "file", RECORDS)
    read = tf.data.TFRecordDataset(str(tmp_path / "file")).as_numpy_iterator()
    assert list(read) == RECORDS


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[:-1], "isn't a whole TFRecord file"),
        (lambda data: data[:20], "ends after"),
        (lambda data: data[:5], "isn't a whole TFRecord file"),
        (lambda data: data[:12] + b"X" + data[13:], "data of a record doesn't fit its checksum"),
        (lambda data: b"X" + data[1:], "length of a record doesn't fit its checksum"),
    ],
)
def test_names_a_file_that_is_damaged(tmp_path, damage, reason):
    path = tmp_path / "file"
    write_records(path, [b"some bytes that matter"])
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=reason):
        list(read_records(path))
