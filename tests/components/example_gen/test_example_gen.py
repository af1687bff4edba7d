"""`example_gen` writes exactly the rows of a window, readable by TensorFlow, or nothing."""

import gzip
import hashlib
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components import artifacts, records
from components.errors import ConfigurationError, DataError
from components.example_gen import generate
from components.records import Refusal, Window
from components.tfrecord import read_records

JANUARY = Window.parse("2013-01-01/2013-02-01")


def table(num_rows=3000, seed=0):
    random = np.random.default_rng(seed)
    times = pd.date_range("2013-01-01", "2013-03-31 23:00", periods=num_rows, tz="UTC")
    return pd.DataFrame(
        {
            "when": times.floor("s"),
            "count": random.integers(-5, 1_000_000, num_rows),
            "ratio": random.normal(size=num_rows),
            "carrier": random.choice(["UA", "AA", "É"], num_rows),
        }
    )


@pytest.fixture
def parquet(tmp_path):
    path = tmp_path / "flights.parquet"
    table().to_parquet(path, row_group_size=500)
    return path


def read_back(examples, split):
    """Read examples by protobuf's own parser, as dicts of lists."""
    from tensorflow.core.example.example_pb2 import Example

    directory = next(iter(examples.splits[split].file_pattern.split("/")))
    rows = []
    for file in sorted((__import__("pathlib").Path(examples.uri) / directory).iterdir()):
        for record in read_records(file):
            features = Example.FromString(record).features.feature
            rows.append(
                {
                    name: list(getattr(feature, feature.WhichOneof("kind")).value)
                    if feature.WhichOneof("kind")
                    else []
                    for name, feature in features.items()
                }
            )
    return rows


def all_rows(examples):
    return [row for split in examples.splits for row in read_back(examples, split)]


def test_writes_the_rows_of_the_window_and_no_others(parquet, tmp_path):
    examples = generate(
        source=parquet, window=JANUARY, time_column="when", output_dir=tmp_path / "out"
    )
    frame = table()
    inside = frame[(frame.when >= "2013-01-01") & (frame.when < "2013-02-01")]
    rows = sorted(all_rows(examples), key=lambda row: row["when"])
    assert len(rows) == len(inside)
    assert [row["count"][0] for row in rows] == inside["count"].tolist()
    assert [row["carrier"][0].decode() for row in rows] == inside.carrier.tolist()
    assert [row["when"][0] for row in rows] == [int(when.timestamp()) for when in inside.when]
    np.testing.assert_array_equal(
        np.float32([row["ratio"][0] for row in rows]), inside.ratio.to_numpy(np.float32)
    )


def test_tensorflow_reads_the_files(parquet, tmp_path):
    import tensorflow as tf

    examples = generate(source=parquet, output_dir=tmp_path / "out")
    files = tf.io.gfile.glob(f"{examples.uri}/{examples.splits['train'].file_pattern}")
    dataset = tf.data.TFRecordDataset(files, compression_type="GZIP").batch(10_000)
    parsed = tf.io.parse_example(
        next(iter(dataset)), {"carrier": tf.io.FixedLenFeature([], tf.string)}
    )
    assert parsed["carrier"].shape == [examples.splits["train"].num_examples]


def test_the_record_names_the_bytes(parquet, tmp_path):
    examples = generate(
        source=parquet, window=JANUARY, time_column="when", output_dir=tmp_path / "out"
    )
    assert examples.window == JANUARY
    assert examples.digest == artifacts.digest(tmp_path / "out", exclude=["record.json"])
    assert records.load(tmp_path / "out" / "record.json") == examples


def test_the_same_rows_give_the_same_bytes_in_every_process(parquet, tmp_path):
    digests = set()
    for run, seed in enumerate(("1", "2")):
        command = [sys.executable, "-m", "components.example_gen", "--source", str(parquet)]
        subprocess.run(
            [*command, "--output-dir", str(tmp_path / str(run))],
            check=True,
            env={**__import__("os").environ, "PYTHONHASHSEED": seed},
            capture_output=True,
        )
        digests.add(records.load(tmp_path / str(run) / "record.json").digest)
    assert len(digests) == 1


def test_several_workers_write_what_one_does(tmp_path):
    table(140_000).to_parquet(tmp_path / "big.parquet")
    one = generate(source=tmp_path / "big.parquet", output_dir=tmp_path / "one")
    two = generate(source=tmp_path / "big.parquet", output_dir=tmp_path / "two", num_workers=2)
    assert one.digest == two.digest
    assert sum(split.num_examples for split in two.splits.values()) == 140_000


def test_splits_two_to_one_and_a_row_stays_where_it_is(parquet, tmp_path):
    whole = generate(source=parquet, output_dir=tmp_path / "whole")
    share = whole.splits["train"].num_examples / 3000
    assert 0.63 < share < 0.70
    part = generate(
        source=parquet, window=JANUARY, time_column="when", output_dir=tmp_path / "part"
    )
    in_eval = {row["count"][0] for row in read_back(whole, "eval")}
    assert {row["count"][0] for row in read_back(part, "eval")} <= in_eval


def test_splits_by_key_keep_a_key_together(parquet, tmp_path):
    examples = generate(
        source=parquet,
        output_dir=tmp_path / "out",
        splits={"weights": {"train": 1, "eval": 1}, "key": "carrier"},
    )
    carriers = [
        {row["carrier"][0] for row in read_back(examples, split)} for split in ("train", "eval")
    ]
    assert carriers[0] | carriers[1] == {b"UA", b"AA", "É".encode()}
    assert not carriers[0] & carriers[1]


def test_splits_by_time_hold_out_the_last_part(parquet, tmp_path):
    examples = generate(
        source=parquet,
        window=JANUARY,
        time_column="when",
        splits={"weights": {"train": 30, "eval": 1}, "by": "time"},
        output_dir=tmp_path / "out",
    )
    last_day = datetime(2013, 1, 31, tzinfo=UTC).timestamp()
    assert max(row["when"][0] for row in read_back(examples, "train")) < last_day
    assert min(row["when"][0] for row in read_back(examples, "eval")) >= last_day


@pytest.mark.parametrize("suffix", ["csv", "csv.gz"])
def test_reads_csv_like_parquet(parquet, tmp_path, suffix):
    frame = table()
    csv = tmp_path / f"flights.{suffix}"
    frame.to_csv(csv, index=False)
    from_csv = generate(source=csv, window=JANUARY, time_column="when", output_dir=tmp_path / "a")
    from_parquet = generate(
        source=parquet, window=JANUARY, time_column="when", output_dir=tmp_path / "b"
    )
    assert from_csv.digest == from_parquet.digest


def test_reads_a_folder_of_files_in_the_order_of_their_names(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    frame = table()
    frame.iloc[:1000].to_parquet(folder / "a.parquet")
    frame.iloc[1000:].to_parquet(folder / "b.parquet")
    frame.to_parquet(tmp_path / "whole.parquet")
    parts = generate(source=folder, output_dir=tmp_path / "1")
    glob = generate(source=folder / "*.parquet", output_dir=tmp_path / "2")
    assert {len(all_rows(parts)), len(all_rows(glob))} == {3000}
    assert parts.digest == glob.digest


def test_maps_every_type_as_documented(tmp_path):
    from decimal import Decimal

    when = datetime(2013, 1, 1, 0, 0, 1, 900_000)
    columns = {
        "boolean": pa.array([True, None]),
        "small": pa.array([7, None], pa.int8()),
        "decimal": pa.array([Decimal("1.50"), None]),
        "double": pa.array([0.1, None]),
        "bytes": pa.array([b"\xff", None]),
        "text": pa.array(["", None]),
        "word": pa.array(["a", None]).dictionary_encode(),
        "moment": pa.array([when, None], pa.timestamp("us")),
        "day": pa.array([when.date(), None]),
        "list": pa.array([[1, 2, 3], None]),
        "nothing": pa.nulls(2),
    }
    pq.write_table(pa.table(columns), tmp_path / "types.parquet")
    examples = generate(
        source=tmp_path / "types.parquet", splits={"train": 1}, output_dir=tmp_path / "out"
    )
    first, second = read_back(examples, "train")
    second_of = int(datetime(2013, 1, 1, tzinfo=UTC).timestamp())
    assert first == {
        "boolean": [1],
        "small": [7],
        "decimal": [1.5],
        "double": [float(np.float32(0.1))],
        "bytes": [b"\xff"],
        "text": [b""],
        "word": [b"a"],
        "moment": [second_of + 1],
        "day": [second_of],
        "list": [1, 2, 3],
        "nothing": [],
    }
    assert all(values == [] for values in second.values())


def test_a_window_is_a_label_where_rows_have_no_time(parquet, tmp_path):
    examples = generate(source=parquet, window=JANUARY, output_dir=tmp_path / "out")
    assert examples.window == JANUARY
    assert len(all_rows(examples)) == 3000


def test_reads_naive_times_as_utc(tmp_path):
    frame = pd.DataFrame({"when": ["2013-01-31 23:59:59", "2013-02-01 00:00:00"], "x": [1, 2]})
    frame.to_csv(tmp_path / "naive.csv", index=False)
    examples = generate(
        source=tmp_path / "naive.csv",
        window=JANUARY,
        time_column="when",
        splits={"train": 1},
        output_dir=tmp_path / "out",
    )
    assert [row["x"] for row in all_rows(examples)] == [[1]]


def test_an_empty_window_is_a_refusal_that_says_what_there_is(parquet, tmp_path):
    refusal = generate(
        source=parquet,
        window=Window.parse("2014-01-01/2014-02-01"),
        time_column="when",
        output_dir=tmp_path / "out",
    )
    assert isinstance(refusal, Refusal)
    assert refusal.check == "empty_window"
    assert "2014-01-01T00:00:00Z/2014-02-01T00:00:00Z" in refusal.findings[0].message
    assert "2013-01-01T00:00:00Z to 2013-03-31T23:00:00Z" in refusal.findings[0].message
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["record.json"]


def test_keeps_only_the_features_asked_for(parquet, tmp_path):
    examples = generate(
        source=parquet,
        window=JANUARY,
        time_column="when",
        features=["ratio"],
        output_dir=tmp_path / "out",
    )
    assert {frozenset(row) for row in all_rows(examples)} == {frozenset({"ratio"})}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"time_column": "nope"}, r"the time column 'nope' isn't in .*when, count, ratio, carrier"),
        ({"features": ["count", "x"]}, r"the feature 'x' isn't in"),
        ({"splits": {"weights": {"a": 1}, "key": "x"}}, r"the key of the splits 'x' isn't in"),
        ({"time_column": "ratio"}, r"'ratio' .* holds double; expected timestamps"),
        ({"splits": {"train": 1e6, "eval": 1e-6}}, r"the split 'eval' gets none of the 3000 rows"),
    ],
)
def test_refuses_what_the_data_lacks_and_writes_nothing(parquet, tmp_path, arguments, message):
    with pytest.raises(DataError, match=message):
        generate(source=parquet, output_dir=tmp_path / "out", **arguments)
    assert {file.name for file in tmp_path.iterdir()} == {"flights.parquet"}


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({}, "weights {}"),
        ({"train": 0}, "'train' has the weight 0"),
        ({"train": "2"}, "'train' has the weight '2'"),
        ({"../x": 1}, r"a split is named '\.\./x'"),
        ({"weights": {"train": 1}, "by": "row"}, "splits.by is 'row'"),
        ({"weights": {"train": 1}, "seed": 1}, r"splits has \['seed'\]"),
    ],
)
def test_refuses_splits_that_make_no_sense(parquet, tmp_path, splits, message):
    with pytest.raises(ConfigurationError, match=message):
        generate(source=parquet, splits=splits, output_dir=tmp_path / "out")


def test_a_broken_csv_row_is_named_and_nothing_is_written(tmp_path):
    good = "".join(f"{i},{i}\n" for i in range(1000))
    (tmp_path / "broken.csv").write_text("a,b\n" + good + "1,2,3\n" + good)
    with pytest.raises(DataError, match=r"broken\.csv.*Row #1002: Expected 2 columns, got 3"):
        generate(source=tmp_path / "broken.csv", output_dir=tmp_path / "out")
    assert {file.name for file in tmp_path.iterdir()} == {"broken.csv"}


def test_a_truncated_parquet_file_is_named(parquet, tmp_path):
    whole = parquet.read_bytes()
    parquet.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"flights\.parquet' can't be read"):
        generate(source=parquet, output_dir=tmp_path / "out")


def test_files_with_other_columns_are_refused(tmp_path):
    pd.DataFrame({"a": [1]}).to_csv(tmp_path / "1.csv", index=False)
    pd.DataFrame({"b": [1]}).to_csv(tmp_path / "2.csv", index=False)
    with pytest.raises(DataError, match=r"'a' is in .*1\.csv' but not in .*2\.csv'"):
        generate(source=tmp_path / "*.csv", output_dir=tmp_path / "out")


def test_files_with_other_types_are_refused(tmp_path):
    pd.DataFrame({"a": [1]}).to_csv(tmp_path / "1.csv", index=False)
    pd.DataFrame({"a": ["x"]}).to_csv(tmp_path / "2.csv", index=False)
    with pytest.raises(DataError, match=r"'a' holds int64 in .*1\.csv' but string in .*2\.csv'"):
        generate(source=tmp_path / "*.csv", output_dir=tmp_path / "out")


def test_a_source_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"nothing\.parquet' holds no files"):
        generate(source=tmp_path / "nothing.parquet", output_dir=tmp_path / "out")


def test_a_struct_column_is_refused_by_name(tmp_path):
    pq.write_table(pa.table({"s": pa.array([{"x": 1}])}), tmp_path / "s.parquet")
    with pytest.raises(DataError, match=r"'s' holds struct<x: int64>.*--features"):
        generate(source=tmp_path / "s.parquet", output_dir=tmp_path / "out")


def test_files_are_gzip_members_without_a_clock(parquet, tmp_path):
    examples = generate(source=parquet, splits={"train": 1}, output_dir=tmp_path / "out")
    data = (tmp_path / "out" / "Split-train" / "data_tfrecord-00000-of-00001.gz").read_bytes()
    assert data[4:8] == bytes(4)
    assert hashlib.sha256(gzip.decompress(data)).digest()
    assert examples.splits["train"].num_examples == 3000
