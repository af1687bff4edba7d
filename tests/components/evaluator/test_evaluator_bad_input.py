"""Both engines give the same clear error, or the same defined result, for bad input."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components import artifacts, tfrecord
from components.errors import DataError, InvalidModelError
from components.evaluator import read_eval_config
from components.evaluator.baseline import Comparison
from components.evaluator.engine_choice import EngineChoice
from components.evaluator.measurement import measure
from components.records import Examples, Split

SIZE = 40
KINDS = {bytes: "bytes_list", float: "float_list", int: "int64_list"}
ENGINES = (EngineChoice(), EngineChoice("beam"))
LATE = [row % 2 for row in range(SIZE)]
METRICS = ("ExampleCount", "AUC", "BinaryAccuracy", "Calibration", "MeanLabel", "MeanPrediction")


def example(row, columns):
    made = tf.train.Example()
    for name, values in columns.items():
        value = values[row]
        value = value if isinstance(value, list) else [] if value is None else [value]
        if value:
            getattr(made.features.feature[name], KINDS[type(value[0])]).value.extend(value)
    return made.SerializeToString()


@pytest.fixture
def write(tmp_path):
    """Return a function that writes examples into two files, and returns their record."""

    def write(damage=None, num_examples=SIZE, **columns):
        x = np.random.default_rng(0).normal(size=(SIZE, 4)).astype(np.float32).tolist()
        columns = {"x": x, "late": LATE, "w": [1.0] * SIZE, "origin": [b"JFK"] * SIZE, **columns}
        records = [example(row, columns) for row in range(SIZE)]
        directory = tmp_path / "examples" / "Split-eval"
        directory.mkdir(parents=True)
        for name, part in (("a", records[:15]), ("b", records[15:])):
            tfrecord.write_records(directory / name, part)
        if damage is not None:
            damage(directory)
        root = directory.parent
        splits = {"eval": Split("Split-eval/*", num_examples)}
        return Examples(uri=str(root), splits=splits, digest=artifacts.digest(root))

    return write


def config(signature="serving_default", slices=({},), **spec):
    return read_eval_config(
        {
            "model_specs": [
                {"label_key": "late", "example_weight_key": "w", "signature_name": signature}
            ],
            "slicing_specs": list(slices),
            "metrics_specs": [{"metrics": [{"class_name": name} for name in METRICS], **spec}],
        }
    )


def on_both(model, examples, asked, scratch):
    """Return the measurements of both engines."""
    return [
        measure(
            asked, model, Comparison(None, None, "none"), examples, ["eval"],
            engine=engine, scratch=scratch,
        )
        for engine in ENGINES
    ]  # fmt: skip


def errors_on_both(kind, model, examples, asked, scratch):
    """Return what both engines say."""
    said = []
    for engine in ENGINES:
        with pytest.raises(kind) as caught:
            measure(
                asked, model, Comparison(None, None, "none"), examples, ["eval"],
                engine=engine, scratch=scratch,
            )  # fmt: skip
        said.append(str(caught.value))
        assert type(caught.value) is kind
    return said


def assert_same(one, other):
    assert one.slices == other.slices
    for name, values in one.models["candidate"].values.items():
        np.testing.assert_array_equal(values, other.models["candidate"].values[name], name)


def but(row, value, usual):
    return [value if each == row else usual for each in range(SIZE)]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"late": [float(v) for v in LATE[:30]] + [math.nan] * 10},
         r"'late' of example 31 is nan; every label must be a number"),
        ({"late": but(20, None, 1)}, r"1 of the examples 1 to 40 don't have exactly one .*ple 21"),
        ({"late": but(20, 3, 1)}, r"'late' of example 21 is 3\.0; BinaryAccuracy takes 0, 1"),
        ({"late": [b"yes"] * SIZE}, r"'late' holds text, for instance b'yes'; expected numbers"),
        ({"late": [None] * SIZE}, r"the label 'late' isn't in the examples .*first 40 .*origin"),
        ({"w": but(20, math.inf, 1.0)}, r"several weights 'w', or one that isn't finite"),
        ({"w": [b"heavy"] * SIZE}, r"'w' holds text"),
    ],
    ids=["NaN", "missing", "out of range", "text", "none at all", "infinite weight", "text weight"],
)  # fmt: skip
def test_labels_and_weights_that_do_not_fit(many_headed_model, write, tmp_path, columns, message):
    local, beam = errors_on_both(
        DataError, many_headed_model, write(**columns), config(), _made(tmp_path)
    )
    assert re.search(message, local)
    assert beam == local


def _truncate(directory):
    file = directory / "b"
    file.write_bytes(file.read_bytes()[:-7])


def _flip(directory):
    data = bytearray((directory / "b").read_bytes())
    data[len(data) // 2] ^= 1
    (directory / "b").write_bytes(data)


def _no_example(directory):
    tfrecord.write_records(directory / "b", [b"\xff\xff no protocol buffer"] * 25)


def _other_type(directory):
    columns = {"x": [[0.0] * 4] * SIZE, "late": [0.5] * SIZE}
    tfrecord.write_records(directory / "b", [example(row, columns) for row in range(25)])


@pytest.mark.parametrize("damage", [_truncate, _flip, _no_example, _other_type])
def test_damaged_files(many_headed_model, write, tmp_path, damage):
    for said in errors_on_both(
        DataError, many_headed_model, write(damage), config(), _made(tmp_path)
    ):
        assert "can't be read" in said
        assert "examples" in said


def _empty(directory):
    for name in "ab":
        tfrecord.write_records(directory / name, [])


def test_no_examples(many_headed_model, write, tmp_path):
    local, beam = errors_on_both(
        DataError, many_headed_model, write(_empty, 0), config(), _made(tmp_path)
    )
    assert re.search(r"there are no examples in .*judged on nothing", local)
    assert beam == local


def test_another_number_than_recorded(many_headed_model, write, tmp_path):
    local, beam = errors_on_both(
        DataError, many_headed_model, write(num_examples=41), config(), _made(tmp_path)
    )
    assert "hold 40 examples, but their record says 41" in local
    assert beam == local


def test_an_output_whose_shape_does_not_fit(many_headed_model, write, tmp_path):
    local, beam = errors_on_both(
        InvalidModelError, many_headed_model, write(), config("classes"), _made(tmp_path)
    )
    assert re.search(
        r"has shape \(40, 5\) for 40 examples .*BinaryAccuracy takes .*binarize", local
    )
    assert beam == local


def test_logits_instead_of_probabilities(many_headed_model, write, tmp_path):
    local, beam = errors_on_both(
        InvalidModelError, many_headed_model, write(), config("delay"), _made(tmp_path)
    )
    assert "BinaryAccuracy takes a probability from 0 to 1" in local
    assert beam == local


@pytest.mark.parametrize(
    ("columns", "undefined"),
    [
        ({"late": [1] * SIZE}, {"auc"}),
        ({"late": [0] * SIZE}, {"auc", "calibration"}),
        ({"w": [0.0] * SIZE}, set(METRICS) - {"ExampleCount"}),
        ({"x": but(3, [math.nan] * 4, [0.1] * 4)},
         {"auc", "binary_accuracy", "calibration", "mean_prediction"}),
    ],
    ids=["all late", "none late", "no weight", "a NaN prediction"],
)  # fmt: skip
def test_what_says_nothing_is_nan(many_headed_model, write, tmp_path, columns, undefined):
    local, beam = on_both(many_headed_model, write(**columns), config(), _made(tmp_path))
    values = local.models["candidate"].values
    found = {name for name, value in values.items() if np.isnan(value[0])}
    snake = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() for name in undefined}
    assert found == snake
    assert_same(beam, local)


def test_a_slice_key_that_is_in_no_or_some_examples(many_headed_model, write, tmp_path):
    slices = [{}, {"feature_keys": ["nowhere"]}, {"feature_keys": ["origin"]}]
    examples = write(origin=[None] * 20 + [b"JFK"] * 19 + [b""])
    local, beam = on_both(many_headed_model, examples, config(slices=slices), _made(tmp_path))
    assert local.slices == ((), (("origin", ""),), (("origin", "JFK"),))
    assert local.num_examples.tolist() == [40, 1, 19]
    assert_same(beam, local)


def test_more_slices_than_are_held(many_headed_model, write, tmp_path, monkeypatch):
    monkeypatch.setattr("components.evaluator.tally.MAX_SLICES", 30)
    slices = [{}, {"feature_keys": ["flight"]}]
    local, beam = errors_on_both(
        DataError, many_headed_model, write(flight=list(range(SIZE))),
        config(slices=slices), _made(tmp_path),
    )  # fmt: skip
    assert re.search(r"more than 30 slices, for instance \{'flight': 0\}; take the feature", local)
    assert beam == local


def _made(path: Path) -> Path:
    (path / "scratch").mkdir(exist_ok=True)
    return path / "scratch"
