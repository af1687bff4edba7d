"""Statistics against NumPy and collections.Counter on the same rows."""

import collections
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components import artifacts
from components.data_validation import example_batches, generate_statistics
from components.data_validation.statistics_generation import read_statistics
from components.errors import ConfigurationError, DataError
from components.tfrecord import frame
from tests.components.data_validation.conftest import serialize

NUM_ROWS = 30_000


def rows(count=NUM_ROWS, seed=7):
    """Rows with missing values, several values, NaN, zeros, and bytes that aren't text."""
    random = np.random.default_rng(seed)
    carriers = random.choice(["AA", "UA", "DL", "HA"], count, p=[0.5, 0.3, 0.19, 0.01])
    for index in range(count):
        yield {
            "carrier": str(carriers[index]) if index % 10 else None,
            "distance": int(random.integers(-50, 50)),
            "delay": float(np.float32(random.normal())) if index % 1000 else float("nan"),
            "stops": [int(v) for v in random.integers(0, 5, index % 4)] or None,
            "raw": b"\xff\xfe" if index == 3 else f"N{index % 300}".encode(),
        }


@pytest.fixture(scope="module")
def table():
    return list(rows())


@pytest.fixture
def statistics(make_examples, tmp_path, table):
    examples = make_examples(train=table, eval=table[:100])
    return generate_statistics(examples=examples, output_dir=tmp_path / "out")


def feature_of(statistics, name, split="train", dataset=0):
    datasets = read_statistics(statistics)[split].datasets
    (feature,) = [f for f in datasets[dataset].features if list(f.path.step) == [name]]
    return feature


def test_counts_of_missing_values_and_of_lists(statistics, table):
    common = feature_of(statistics, "stops").num_stats.common_stats
    lengths = [len(row["stops"]) for row in table if row["stops"] is not None]

    assert common.num_non_missing == len(lengths)
    assert common.num_missing == NUM_ROWS - len(lengths)
    assert (common.min_num_values, common.max_num_values) == (min(lengths), max(lengths))
    assert common.tot_num_values == sum(lengths)
    assert common.avg_num_values == pytest.approx(np.mean(lengths))


def test_numbers_are_those_of_numpy(statistics, table):
    stats = feature_of(statistics, "distance").num_stats
    values = np.array([row["distance"] for row in table])

    assert (stats.min, stats.max) == (values.min(), values.max())
    assert stats.mean == pytest.approx(values.mean(), rel=1e-12)
    assert stats.std_dev == pytest.approx(values.std(), rel=1e-12)
    assert stats.num_zeros == int((values == 0).sum())
    assert abs(np.mean(values < stats.median) - 0.5) < 0.02


def test_nan_is_counted_and_left_out_of_the_rest(statistics, table):
    stats = feature_of(statistics, "delay").num_stats
    values = np.array([row["delay"] for row in table])
    finite = values[~np.isnan(values)]

    assert stats.histograms[0].num_nan == int(np.isnan(values).sum())
    assert stats.mean == pytest.approx(finite.mean(), rel=1e-9)
    assert stats.std_dev == pytest.approx(finite.std(), rel=1e-9)


@pytest.mark.parametrize("name", ["delay", "distance"])
def test_histograms_hold_every_value_where_it_is(statistics, table, name):
    stats = feature_of(statistics, name).num_stats
    values = np.array([row[name] for row in table])
    values = values[~np.isnan(values)]
    standard, quantiles = stats.histograms

    for histogram, error in ((standard, 0.004), (quantiles, 0.004)):
        assert sum(b.sample_count for b in histogram.buckets) == pytest.approx(len(values))
        for bucket in histogram.buckets:
            below = np.mean(values < bucket.high_value), np.mean(values <= bucket.high_value)
            count = sum(
                b.sample_count for b in histogram.buckets if b.high_value <= bucket.high_value
            )
            assert below[0] - error <= count / len(values) <= below[1] + error
    width = (values.max() - values.min()) / 10
    assert [b.high_value - b.low_value for b in standard.buckets] == pytest.approx([width] * 10)


def test_texts_are_counted(statistics, table):
    stats = feature_of(statistics, "carrier").string_stats
    counted = collections.Counter(row["carrier"] for row in table if row["carrier"])

    assert stats.unique == len(counted)
    assert [(v.value, v.frequency) for v in stats.top_values] == counted.most_common()
    assert stats.avg_length == 2
    assert stats.common_stats.num_missing == NUM_ROWS - counted.total()


def test_bytes_that_are_no_text_are_counted(statistics):
    stats = feature_of(statistics, "raw").string_stats

    assert stats.invalid_utf8_count == 1
    assert stats.unique == 301


def test_the_number_of_processes_changes_nothing(make_examples, tmp_path, table):
    examples = make_examples(train=table)

    digests = {
        generate_statistics(
            examples=examples, output_dir=tmp_path / f"out {count}", num_processes=count
        ).digest
        for count in (1, 2, 3)
    }

    assert len(digests) == 1


def test_of_many_files_each_is_read_by_one_process(make_examples, tmp_path, table, monkeypatch):
    examples = make_examples(train=[])
    folder = tmp_path / "examples" / "Split-train"
    for index in range(5):
        data = b"".join(frame(serialize(row)) for row in table[index:1000:5])
        (folder / f"part-{index}").write_bytes(data)
    (folder / "data_tfrecord-00000-of-00001.gz").unlink()
    examples = replace(examples, digest=artifacts.digest(examples.uri))
    made = [
        generate_statistics(
            examples=examples, output_dir=tmp_path / str(count), num_processes=count
        )
        for count in (1, 3)
    ]
    assert made[0].digest == made[1].digest
    distance = feature_of(made[0], "distance").num_stats
    assert distance.mean == pytest.approx(np.mean([row["distance"] for row in table[:1000]]))

    read = []
    monkeypatch.setattr(example_batches, "WholeFile", lambda file: read.append(file.name) or [])
    list(example_batches.read_batches(sorted(folder.iterdir()), parts={0, 2}, num_parts=4))
    assert read == ["part-0", "part-2", "part-4"]


def test_slices_are_data_sets_of_their_own(make_examples, tmp_path, table):
    examples = make_examples(train=table[:2000])
    statistics = generate_statistics(
        examples=examples, output_dir=tmp_path / "out", slice_features=["carrier"]
    )

    datasets = {d.name: d for d in read_statistics(statistics)["train"].datasets}
    chosen = [row["distance"] for row in table[:2000] if row["carrier"] == "HA"]
    (feature,) = [f for f in datasets["carrier_HA"].features if list(f.path.step) == ["distance"]]
    assert datasets["carrier_HA"].num_examples == len(chosen)
    assert feature.num_stats.mean == pytest.approx(np.mean(chosen))
    assert next(iter(datasets)) == "All Examples"


def test_a_feature_that_is_only_in_later_examples_is_missing_in_the_earlier(
    make_examples, tmp_path
):
    examples = make_examples(train=[{"a": 1}] * 9000 + [{"a": 1, "b": "x"}] * 1000)
    statistics = generate_statistics(examples=examples, output_dir=tmp_path / "out")

    common = feature_of(statistics, "b").string_stats.common_stats
    assert (common.num_missing, common.num_non_missing) == (9000, 1000)


def test_a_feature_that_changes_its_type_is_an_error(make_examples, tmp_path):
    examples = make_examples(train=[{"a": 1}] * 9000 + [{"a": "x"}] * 9000)

    with pytest.raises(DataError, match='feature "a"'):
        generate_statistics(examples=examples, output_dir=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_truncated_file_is_an_error(make_examples, tmp_path):
    import dataclasses

    from components import artifacts

    examples = make_examples(train=[{"a": 1}] * 100)
    (file,) = Path(examples.uri).glob("Split-train/*")
    file.write_bytes(file.read_bytes()[:-20])
    examples = dataclasses.replace(examples, digest=artifacts.digest(examples.uri))

    with pytest.raises(DataError, match="isn't a whole TFRecord file"):
        generate_statistics(examples=examples, output_dir=tmp_path / "out")


def test_examples_that_were_changed_are_an_error(make_examples, tmp_path):
    examples = make_examples(train=[{"a": 1}] * 100)
    (Path(examples.uri) / "more").write_text("x")

    with pytest.raises(DataError, match="they were changed"):
        generate_statistics(examples=examples, output_dir=tmp_path / "out")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"splits": ["test"]}, "no split 'test'; they have train"),
        ({"slice_features": ["b"]}, "no feature 'b' to slice by"),
    ],
)
def test_what_is_not_there_is_named(make_examples, tmp_path, arguments, message):
    examples = make_examples(train=[{"a": 1}])

    with pytest.raises(ConfigurationError, match=message):
        generate_statistics(examples=examples, output_dir=tmp_path / "out", **arguments)


def test_the_page_shows_each_split_and_needs_nothing_else(statistics):
    page = (Path(statistics.uri) / "statistics.html").read_text()

    assert "30,000 examples" in page
    assert "100 examples" in page
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page


def test_names_in_the_data_are_escaped_on_the_page(make_examples, tmp_path):
    examples = make_examples(train=[{"<b>a</b>": "<script>alert(1)</script>"}] * 3)
    generate_statistics(examples=examples, output_dir=tmp_path / "out")

    page = (tmp_path / "out" / "statistics.html").read_text()
    assert "<script" not in page
    assert "&lt;script" in page


def test_neither_help_nor_the_package_loads_anything_heavy():
    code = (
        "import sys, components.data_validation.__main__ as m; m.build_parser()\n"
        "print([n for n in ('tensorflow', 'tfx_bsl', 'pyarrow') if n in sys.modules])"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("data", [b"\xff\xff", None])
def test_statistics_that_can_not_be_read_are_named(statistics, data):
    path = Path(statistics.uri) / "Split-eval" / "FeatureStats.pb"
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    else:
        path.mkdir()

    with pytest.raises(DataError, match=r"FeatureStats\.pb' holds no DatasetFeature"):
        read_statistics(statistics)
