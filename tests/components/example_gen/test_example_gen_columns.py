"""Which columns `example_gen` takes, in which forms, and what it says of the others."""

import math
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.errors import ConfigurationError, DataError
from components.example_gen import IntervalRequest, generate
from components.records import Refusal, Window
from components.tfrecord import read_records

JANUARY = Window.parse("2013-01-01/2013-02-01")
ONE = {"train": 1}


def write(directory, **columns):
    path = directory / "table.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def values(examples, name):
    """Return a feature's values, row by row, by protobuf's own parser."""
    from tensorflow.core.example.example_pb2 import Example

    rows = []
    for file in sorted(Path(examples.uri).glob(examples.splits["train"].file_pattern)):
        for record in read_records(file):
            feature = Example.FromString(record).features.feature[name]
            kind = feature.WhichOneof("kind")
            rows.append(list(getattr(feature, kind).value) if kind else [])
    return rows


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())],
    ids=str,
)
def test_reads_text_times_with_and_without_offset_from_any_text_type(tmp_path, kind):
    texts = [
        "2012-12-31T23:59:59",
        "2013-01-01T00:00:00.123456789",
        "2013-01-31 18:59:59-05:00",
        "2013-01-31T19:00:00-05:00",
        "2013-01-15",
        "2013-01-02T00:00:00z",
        None,
    ]
    when = pa.array(texts).cast(pa.string())
    when = when.dictionary_encode() if pa.types.is_dictionary(kind) else when.cast(kind)
    source = write(tmp_path, when=when, x=list(range(7)))
    examples = generate(
        source=source, window=JANUARY, time_column="when", splits=ONE, output_dir=tmp_path / "out"
    )
    assert values(examples, "x") == [[1], [2], [4], [5]]
    assert values(examples, "when")[0] == [b"2013-01-01T00:00:00.123456789"]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_reads_timestamps_of_every_unit_and_zone(tmp_path, unit, zone):
    moments = [datetime(2012, 12, 31, 23, 59, 59), datetime(2013, 1, 1), datetime(1969, 12, 31)]
    seconds = [int(moment.replace(tzinfo=UTC).timestamp()) for moment in moments]
    factor = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    when = pa.array([second * factor for second in seconds]).cast(pa.timestamp(unit, zone))
    examples = generate(source=write(tmp_path, when=when), splits=ONE, output_dir=tmp_path / "all")
    assert values(examples, "when") == [[second] for second in seconds]
    examples = generate(
        source=write(tmp_path, when=when),
        window=JANUARY,
        time_column="when",
        splits=ONE,
        output_dir=tmp_path / "january",
    )
    assert values(examples, "when") == [[seconds[1]]]


def test_says_how_many_rows_without_a_time_it_left_out(tmp_path, caplog):
    when = pa.array([datetime(2013, 1, 2), None, None], pa.timestamp("us"))
    source = write(tmp_path, when=when, x=[1, 2, 3])
    examples = generate(
        source=source, window=JANUARY, time_column="when", splits=ONE, output_dir=tmp_path / "out"
    )
    assert values(examples, "x") == [[1]]
    assert "left out 2 rows that have no time in the column 'when'" in caplog.text


def test_reads_lists_of_fixed_size_and_views(tmp_path):
    source = write(
        tmp_path,
        embedding=pa.array([[0.5, 1.5], [2.5, 3.5]], pa.list_(pa.float32(), 2)),
        view=pa.array(["a", None], pa.string_view()),
    )
    examples = generate(source=source, splits=ONE, output_dir=tmp_path / "out")
    assert values(examples, "embedding") == [[0.5, 1.5], [2.5, 3.5]]
    assert values(examples, "view") == [[b"a"], []]


def test_infinity_stays_infinite(tmp_path):
    source = write(tmp_path, x=[math.inf, -math.inf, 1.0])
    examples = generate(source=source, splits=ONE, output_dir=tmp_path / "out")
    assert values(examples, "x") == [[math.inf], [-math.inf], [1.0]]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([[[1]]]), r"'x' holds list<element: list<.*no place in a tf\.Example"),
        (pa.array([1.0, 1e300]), r"'x' holds 1e\+300, which doesn't fit the 32 bits"),
        (pa.array([2**64 - 1], pa.uint64()), r"'x' holds a value that doesn't fit int64"),
        (pa.array([[1, None]]), "a list in the column 'x' holds null"),
    ],
)
def test_refuses_values_that_a_feature_cannot_hold(tmp_path, column, message):
    source = write(tmp_path, x=column)
    with pytest.raises(DataError, match=message):
        generate(source=source, splits=ONE, output_dir=tmp_path / "out")
    assert [file.name for file in tmp_path.iterdir()] == ["table.parquet"]


def test_refuses_text_that_is_no_time(tmp_path):
    source = write(tmp_path, when=["2013-01-01", "soon"])
    with pytest.raises(DataError, match=r"'when' holds text that isn't a time: .*'soon'"):
        generate(source=source, window=JANUARY, time_column="when", output_dir=tmp_path / "out")


def test_refuses_two_columns_of_one_name(tmp_path):
    (tmp_path / "twice.csv").write_text("a,a\n1,2\n")
    with pytest.raises(DataError, match=r"twice\.csv' has more than one column named 'a'"):
        generate(source=tmp_path / "twice.csv", output_dir=tmp_path / "out")


def test_refuses_a_list_as_key_of_the_splits(tmp_path):
    source = write(tmp_path, k=[[1], [2]])
    with pytest.raises(DataError, match="the key of the splits 'k' holds list"):
        generate(source=source, splits={"weights": ONE, "key": "k"}, output_dir=tmp_path / "out")


@pytest.mark.parametrize("features", [[], ["x", "x"], "x"])
def test_refuses_features_that_are_no_list_of_columns(tmp_path, features):
    source = write(tmp_path, x=[1])
    with pytest.raises(ConfigurationError, match="expected a list of different columns"):
        generate(source=source, features=features, output_dir=tmp_path / "out")


@pytest.mark.parametrize("window", [JANUARY, IntervalRequest("@monthly")], ids=["window", "newest"])
def test_data_without_any_time_is_an_empty_window(tmp_path, window):
    source = write(tmp_path, when=pa.nulls(2, pa.timestamp("s")), x=[1, 2])
    refusal = generate(
        source=source, window=window, time_column="when", output_dir=tmp_path / "out"
    )
    assert isinstance(refusal, Refusal)
    assert refusal.check == "empty_window"
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["record.json"]


def test_a_csv_file_with_a_header_only_is_an_empty_window(tmp_path):
    (tmp_path / "empty.csv").write_text("when,x\n")
    refusal = generate(
        source=tmp_path / "empty.csv",
        window=JANUARY,
        time_column="when",
        output_dir=tmp_path / "out",
    )
    assert isinstance(refusal, Refusal)
    assert "empty.csv has a time in the column when" in refusal.findings[0].message


def test_reads_a_zipped_csv_file(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.csv.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", "x\n1\n2\n")
    examples = generate(source=tmp_path / "a.csv.zip", splits=ONE, output_dir=tmp_path / "out")
    assert values(examples, "x") == [[1], [2]]


def test_refuses_an_archive_of_several_files(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.csv.zip", "w") as archive:
        archive.writestr("a.csv", "x\n1\n")
        archive.writestr("b.csv", "x\n1\n")
    with pytest.raises(DataError, match=r"a\.csv\.zip' holds 2 files; expected one"):
        generate(source=tmp_path / "a.csv.zip", output_dir=tmp_path / "out")


def test_names_the_row_whose_value_is_of_another_type_than_those_before(tmp_path):
    rows = "".join(f"{i},1\n" for i in range(700_000))
    (tmp_path / "late.csv").write_text("a,b\n" + rows + "5,1.5\n")
    message = r"late\.csv'.*column #1: Row #700002: .*invalid value '1\.5'; .*first 4 MiB.*int64"
    with pytest.raises(DataError, match=message):
        generate(source=tmp_path / "late.csv", output_dir=tmp_path / "out")
    assert [file.name for file in tmp_path.iterdir()] == ["late.csv"]


def test_a_disk_that_fails_is_a_fault_and_not_bad_data(tmp_path, monkeypatch):
    source = write(tmp_path, x=[1])
    failure = OSError(5, "Input/output error")
    monkeypatch.setattr(
        pq.ParquetFile, "iter_batches", lambda *_, **__: (_ for _ in ()).throw(failure)
    )
    with pytest.raises(OSError, match="Input/output error"):
        generate(source=source, output_dir=tmp_path / "out")


def test_bytes_do_not_depend_on_how_files_hold_the_rows(tmp_path):
    table = pa.table({"n": pa.array(range(40_000)), "text": [str(n % 7) for n in range(40_000)]})
    pq.write_table(table, tmp_path / "few.parquet", row_group_size=40_000)
    pq.write_table(table, tmp_path / "many.parquet", row_group_size=700)
    narrow = table.set_column(0, "n", table["n"].cast(pa.int32()))
    (tmp_path / "parts").mkdir()
    pq.write_table(table.slice(0, 9_999), tmp_path / "parts" / "1.parquet")
    pq.write_table(table.slice(9_999), tmp_path / "parts" / "2.parquet")
    pq.write_table(narrow, tmp_path / "narrow.parquet")
    digests = {
        generate(source=tmp_path / name, output_dir=tmp_path / "out").digest
        for name in ("few.parquet", "many.parquet", "parts", "narrow.parquet")
    }
    assert len(digests) == 1


def test_files_may_differ_in_types_of_the_same_meaning(tmp_path):
    pq.write_table(pa.table({"x": pa.array([1], pa.int32())}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"x": pa.array([2], pa.int64())}), tmp_path / "2.parquet")
    examples = generate(source=tmp_path / "*.parquet", splits=ONE, output_dir=tmp_path / "out")
    assert values(examples, "x") == [[1], [2]]
    pq.write_table(pa.table({"x": pa.array([0], pa.timestamp("s"))}), tmp_path / "3.parquet")
    with pytest.raises(DataError, match=r"'x' holds int32 in .* but timestamp"):
        generate(source=tmp_path / "*.parquet", output_dir=tmp_path / "out")


def test_tensorflow_reads_files_of_several_gzip_members(tmp_path):
    import tensorflow as tf

    source = write(tmp_path, n=list(range(40_000)))
    examples = generate(source=source, splits=ONE, output_dir=tmp_path / "out")
    files = tf.io.gfile.glob(f"{examples.uri}/{examples.splits['train'].file_pattern}")
    dataset = tf.data.TFRecordDataset(files, compression_type="GZIP").batch(50_000)
    parsed = tf.io.parse_example(next(iter(dataset)), {"n": tf.io.FixedLenFeature([], tf.int64)})
    assert parsed["n"].numpy().tolist() == list(range(40_000))


def test_a_quote_that_is_not_closed_is_an_error_and_no_row_is_lost(tmp_path):
    rows = [f'{i},"oops' if i == 500 else f"{i},x" for i in range(1000)]
    (tmp_path / "quote.csv").write_text("\n".join(["a,b", *rows]) + "\n")
    with pytest.raises(DataError, match=r"'b' in .*quote\.csv' spans lines: 'oops\\n501,x"):
        generate(source=tmp_path / "quote.csv", features=["a"], output_dir=tmp_path / "out")
    assert not (tmp_path / "out").exists()
