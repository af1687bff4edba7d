"""TFRecord files, read and written by TensorFlow on the other side."""

import gzip

import pytest

from components.errors import DataError
from components.tfrecord import read_all_records, read_records, write_records

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


@pytest.mark.parametrize("read", [read_records, read_all_records])
def test_a_record_whose_length_looks_like_gzip_is_read(tmp_path, read):
    record = b"x" * (0x8B1F + 65_536)
    write_records(tmp_path / "records", [record, b"y"])

    assert list(read(tmp_path / "records")) == [record, b"y"]


@pytest.mark.parametrize("compressed", [False, True])
def test_both_ways_of_reading_give_the_same(tmp_path, compressed):
    written = [b"a", b"", b"b" * 100_000]
    path = tmp_path / "records"
    write_records(path, written)
    if compressed:
        path.write_bytes(gzip.compress(path.read_bytes()))

    assert read_all_records(path) == list(read_records(path)) == written
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DataError, match="isn't a whole TFRecord file"):
        read_all_records(path)
