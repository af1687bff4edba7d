"""TFRecord files, read and written by TensorFlow on the other side."""

import gzip

import pytest

from components.errors import DataError
from components.tfrecord import (
    WholeFile,
    read_all_records,
    read_records,
    read_stream,
    write_records,
)

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
    whole = WholeFile(path)
    assert len(whole) == 3
    assert [whole.read(0, 1), whole.read(1, 9)] == [written[:1], written[1:]]
    path.write_bytes(path.read_bytes()[:-3])
    for read in (read_all_records, WholeFile):
        with pytest.raises(DataError, match="isn't a whole TFRecord file"):
            read(path)


class Trickle:
    """A stream that can't seek and gives few bytes at a time, as one from a network may."""

    def __init__(self, data):
        self._data = data

    def read(self, size=-1):
        size = min(7, size) if size >= 0 else 7
        part, self._data = self._data[:size], self._data[size:]
        return part


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_reads_a_stream_that_gives_few_bytes_at_a_time(tmp_path, pack):
    write_records(tmp_path / "file", RECORDS)
    packed = pack((tmp_path / "file").read_bytes())
    assert list(read_stream(Trickle(packed), "it")) == RECORDS
    with pytest.raises(DataError, match="'it' isn't a whole TFRecord file"):
        list(read_stream(Trickle(packed[:-9]), "it"))


def test_refuses_a_record_that_is_longer_than_allowed_before_it_reads_it(tmp_path):
    write_records(tmp_path / "file", [b"short", b"x" * 5000])
    data = (tmp_path / "file").read_bytes()[:-4000]  # the record isn't even there
    records = read_stream(Trickle(data), "it", max_record_bytes=100)
    assert next(records) == b"short"
    with pytest.raises(DataError, match="a record has 5,000 bytes; expected at most 100"):
        next(records)
