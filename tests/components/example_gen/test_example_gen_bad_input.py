"""What must not reach a training: `example_gen` refuses it, or names it."""

import resource
import struct
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.errors import ConfigurationError, DataError
from components.example_gen import generate
from components.example_gen.repetition import counting_repetition
from components.tfrecord import _masked_crc

ONE = {"train": 1}


def write(path, **columns):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def make(source, output_dir, **arguments):
    return generate(source=source, output_dir=output_dir, **{"splits": ONE, **arguments})


@pytest.mark.parametrize("times", [2, 3])
def test_a_month_that_was_loaded_several_times_is_refused(tmp_path, times):
    write(tmp_path / "a.parquet", n=list(range(1000)) * times)
    with pytest.raises(
        DataError, match=rf"every row is there {times} times over \({times},000 rows"
    ):
        make(tmp_path / "a.parquet", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    kept = make(tmp_path / "a.parquet", tmp_path / "out", max_duplicates=1)
    assert kept.splits["train"].num_examples == 1000 * times


@pytest.mark.parametrize("features", [["n"], ["n", "at"]])
def test_a_month_that_was_loaded_again_before_its_last_day_is_refused(tmp_path, features):
    """Then the rows of the last day are there once, and not every row twice."""
    numbers = [*range(1000), *range(1000), *range(2000, 2100)]
    times = pa.array(numbers, pa.timestamp("s"))
    write(tmp_path / "a.parquet", n=[number % 700 for number in numbers], at=times)
    timed = {"time_column": "at", "features": features}
    with pytest.raises(DataError, match="1,000 of 1,100 different rows are there 2 times"):
        make(tmp_path / "a.parquet", tmp_path / "out", **timed)
    make(tmp_path / "a.parquet", tmp_path / "out", **timed, max_duplicates=0.5)


@pytest.mark.parametrize("timed", [{}, {"time_column": "at", "features": ["hour"]}])
def test_rows_that_are_alike_by_their_nature_are_no_month_loaded_twice(tmp_path, timed):
    """Two an hour, as a sensor gives them; only of the last day is there one."""
    minutes = [30 * index for index in range(1000)] + [60 * index for index in range(600, 700)]
    hours = [minute // 60 for minute in minutes]
    columns = {"at": pa.array([60 * minute for minute in minutes], pa.timestamp("s"))}
    write(tmp_path / "a.parquet", hour=hours, **(columns if timed else {}))
    found = make(tmp_path / "a.parquet", tmp_path / "out", **timed)
    assert found.splits["train"].num_examples == 1100


def test_some_copies_are_named_or_refused_as_one_likes(tmp_path, caplog):
    write(tmp_path / "a.parquet", n=[*range(1000), *range(50)])
    make(tmp_path / "a.parquet", tmp_path / "out")
    assert "50 of 1,050 rows are copies of others" in caplog.text
    with pytest.raises(DataError, match=r"50 of 1,050 rows \(4\.8%\) .* expected at most 4\.0%"):
        make(tmp_path / "a.parquet", tmp_path / "out", max_duplicates=0.04)
    make(tmp_path / "a.parquet", tmp_path / "out", max_duplicates=0.05)
    with pytest.raises(ConfigurationError, match="max_duplicates is 5"):
        make(tmp_path / "a.parquet", tmp_path / "out", max_duplicates=5)


def test_few_different_rows_may_repeat(tmp_path):
    write(tmp_path / "a.parquet", weekday=list(range(7)) * 100)
    assert make(tmp_path / "a.parquet", tmp_path / "out").splits["train"].num_examples == 700


def test_counts_copies_as_numpy_does(tmp_path):
    random = np.random.default_rng(0)
    hashes = random.integers(0, 1 << 64, 5000, np.uint64, endpoint=False)
    hashes = np.concatenate([hashes, hashes[:999], hashes[:10]])
    with counting_repetition(tmp_path / "hashes") as count:
        for part in np.array_split(hashes, 7):
            count.add(part)
        found = count.result()
    times = np.unique(hashes, return_counts=True)[1]
    assert (found.num_rows, found.num_distinct) == (len(hashes), len(times))
    assert found.multiple == np.gcd.reduce(times)
    assert (found.commonest, found.num_commonest) == (1, (times == 1).sum())
    assert not (tmp_path / "hashes").exists()


def test_a_column_of_nulls_is_named_and_refused_where_it_was_asked_for(tmp_path, caplog):
    write(tmp_path / "a.parquet", n=[1, 2], empty=pa.nulls(2, pa.float64()), lists=[[], None])
    make(tmp_path / "a.parquet", tmp_path / "out")
    assert "no row has a value in the column 'empty', 'lists'" in caplog.text
    with pytest.raises(DataError, match="no row has a value in the column 'empty', which"):
        make(tmp_path / "a.parquet", tmp_path / "out", features=["n", "empty"])


@pytest.mark.parametrize("other", [pa.array(["7"]), pa.array([7.5]), pa.array([[7]])])
def test_a_column_that_changes_its_type_between_months_is_refused(tmp_path, other):
    write(tmp_path / "in" / "month=2013-01" / "a.parquet", n=[7])
    write(tmp_path / "in" / "month=2013-02" / "a.parquet", n=other)
    with pytest.raises(DataError, match=r"'n' holds int64 in .*2013-01.* but .*2013-02"):
        make(tmp_path / "in", tmp_path / "out")


def test_a_column_that_one_file_does_not_know_has_the_type_of_the_others(tmp_path):
    """A month in which a column is empty gives the same bytes as if its type stood there."""
    for name, empty in (("a", pa.nulls(2)), ("b", pa.nulls(2, pa.int64()))):
        write(tmp_path / name / "1.parquet", n=empty, x=[1, 2])
        write(tmp_path / name / "2.parquet", n=[3, 4], x=[1, 2])
    one = make(tmp_path / "a", tmp_path / "1")
    assert one.digest == make(tmp_path / "b", tmp_path / "2").digest


def test_csv_files_may_have_their_columns_in_another_order(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.csv").write_text("a,b\n1,x\n")
    (tmp_path / "in" / "2.csv").write_text("b,a\ny,2\n")
    assert make(tmp_path / "in", tmp_path / "out").splits["train"].num_examples == 2


def test_times_far_beyond_the_calendar_are_refused(tmp_path):
    from components.example_gen import IntervalRequest

    at = pa.array([1357000000000, 1357000000001], pa.int64()).cast(pa.timestamp("s"))
    write(tmp_path / "a.parquet", at=at)
    with pytest.raises(DataError, match="are they milliseconds"):
        make(tmp_path / "a.parquet", tmp_path / "out", time_column="at",
             window=IntervalRequest("@daily"))  # fmt: skip


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_row_of_many_megabytes_of_text_is_refused(tmp_path, name):
    row = "x" * (9 << 20)
    text = f"n,s\n1,a\n2,{row}\n3,b\n" if name == "a.csv" else f'{{"s": "a"}}\n{{"s": "{row}"}}\n'
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match="a row is longer than 4 MiB"):
        make(tmp_path / name, tmp_path / "out")


def test_a_large_value_in_parquet_is_refused_by_its_column(tmp_path):
    write(tmp_path / "a.parquet", n=[*range(100)], s=["y" * (65 << 20), *"x" * 99])
    with pytest.raises(DataError, match="a row takes 65 MiB, most of it in the column 's'"):
        make(tmp_path / "a.parquet", tmp_path / "out")
    assert make(tmp_path / "a.parquet", tmp_path / "out", features=["n"])
    write(tmp_path / "a.parquet", s=["y" * (130 << 20)])
    with pytest.raises(DataError, match=r"rows of .* take 130 MiB; expected at most 64 MiB"):
        make(tmp_path / "a.parquet", tmp_path / "out")


def test_a_record_of_a_gigabyte_is_refused_before_it_is_read(tmp_path):
    length = struct.pack("<Q", 1 << 30)
    header = length + struct.pack("<I", _masked_crc(length))
    with (tmp_path / "a.tfrecord").open("wb") as file:
        file.write(header)
        file.truncate(1 << 30)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match="a record has 1,073,741,824 bytes; expected at most"):
        make(tmp_path / "a.tfrecord", tmp_path / "out")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


@pytest.mark.slow
def test_images_are_read_a_few_at_a_time(tmp_path):
    """1,200 rows of 300 kB, which take 360 MB at once, in a process that may hold far less."""
    image = np.random.default_rng(0).bytes(300_000)
    with pq.ParquetWriter(tmp_path / "a.parquet", pa.schema({"image": pa.binary()})) as writer:
        for start in range(0, 1200, 100):
            images = [i.to_bytes(4, "big") + image for i in range(start, start + 100)]
            writer.write_table(pa.table({"image": pa.array(images, pa.binary())}))
    code = (
        "import resource, sys\n"
        "from components.example_gen import OutputFormat, generate\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "import components.example_gen.generation\n"
        "before = peak()\n"
        f"generate(source={str(tmp_path / 'a.parquet')!r}, splits={{'train': 1}},\n"
        f"         output_dir={str(tmp_path / 'out')!r}, output=OutputFormat(1, 'none'))\n"
        "print(peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[-1]) < 1_000_000  # kB; three batches of 64 MB, each held thrice


def test_times_are_those_of_their_zone(tmp_path):
    """The same wall clock in New York and in UTC are five hours apart."""
    from components.records import Window

    moments = [datetime(2013, 1, 1) + timedelta(hours=hour) for hour in range(24)]
    window = Window("2013-01-01T00:00:00Z", "2013-01-01T12:00:00Z")
    for zone, expected in ((None, 12), ("UTC", 12), ("America/New_York", 7)):
        utc = pa.array(moments, pa.timestamp("us"))
        at = utc if zone is None else pa.compute.assume_timezone(utc, zone)
        source = write(tmp_path / "a.parquet", at=at)
        examples = make(source, tmp_path / "out", time_column="at", window=window)
        assert examples.splits["train"].num_examples == expected
    assert datetime(2013, 1, 1, tzinfo=UTC)
