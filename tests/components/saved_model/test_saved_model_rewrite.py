"""Rewritten models answer as the originals do, or aren't written."""

import os
import subprocess
import sys

import numpy as np
import pytest

from components import artifacts
from components.errors import ConfigurationError, DataError, InvalidModelError

MANY = np.random.default_rng(3).normal(size=(200, 4)).astype(np.float32)

RUN = """
import sys, json, warnings
import numpy as np, tensorflow as tf
interpreter = tf.lite.Interpreter(model_path=sys.argv[1])
run = interpreter.get_signature_runner(sys.argv[2])
print(json.dumps(run(row=np.load(sys.argv[3]))["logits"].tolist()))
"""


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A network with weights enough that quantization shows in its size."""
    import keras
    import tensorflow as tf

    from components.saved_model.export import export
    from components.saved_model.serving_signature import raw_tensors

    keras.utils.set_random_seed(5)
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(256, "relu"), keras.layers.Dense(256, "relu"),
         keras.layers.Dense(2)]
    )  # fmt: skip
    signature = raw_tensors(
        lambda features: {"logits": model(features["row"], training=False)},
        {"row": tf.TensorSpec([None, 4], tf.float32)},
    )
    directory = tmp_path_factory.mktemp("wide") / "model"
    return model, export(model, directory, signatures={"serving_default": signature})


@pytest.mark.parametrize(
    ("quantization", "largest_part", "error"),
    [("none", 1.1, 1e-5), ("float16", 0.6, 0.01), ("dynamic", 0.35, 0.05), ("int8", 0.35, 0.1)],
)
def test_quantized_models_are_smaller_and_answer_alike(
    wide, tmp_path, quantization, largest_part, error
):
    from components.saved_model.rewrite import rewrite
    from components.saved_model.tflite import TFLiteModel

    model, directory = wide
    done = rewrite(directory, tmp_path / "lite", examples={"row": MANY}, quantization=quantization)
    assert [path.name for path in done.directory.iterdir()] == ["model.tflite"]
    content = (done.directory / "model.tflite").read_bytes()
    assert len(content) == done.num_bytes < largest_part * 4 * model.count_params()
    found = TFLiteModel(content, "serving_default").run({"row": MANY})["logits"]
    expected = model.predict(MANY, verbose=0)
    assert np.abs(found - expected).max() <= error * np.abs(expected).max()
    (finding,) = done.findings
    assert (finding.passed, finding.bound.upper) == (
        True, {"none": 1e-4, "float16": 0.01, "dynamic": 0.1, "int8": 0.1}[quantization]
    )  # fmt: skip
    assert finding.observed == pytest.approx(
        np.abs(found - expected).max() / np.abs(expected).max(), rel=1e-3, abs=1e-6
    )


def test_answers_outside_this_process_too(wide, tmp_path):
    from components.saved_model.rewrite import rewrite

    model, directory = wide
    done = rewrite(directory, tmp_path / "lite", examples={"row": MANY})
    np.save(tmp_path / "rows.npy", MANY[:3])
    out = subprocess.run(
        [sys.executable, "-c", RUN, str(done.directory / "model.tflite"), "serving_default",
         str(tmp_path / "rows.npy")],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip
    expected = model.predict(MANY[:3], verbose=0)
    found = np.array(__import__("json").loads(out.stdout.splitlines()[-1]))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def serialized(rows):
    import tensorflow as tf

    return [
        tf.train.Example(
            features=tf.train.Features(
                feature={"row": tf.train.Feature(float_list=tf.train.FloatList(value=row))}
            )
        ).SerializeToString()
        for row in rows
    ]


def test_reads_the_raw_signature_from_real_examples(exported, model, tmp_path):
    import tensorflow as tf

    from components.saved_model.example_inputs import read_examples
    from components.saved_model.rewrite import rewrite

    path = str(tmp_path / "data.gz")
    with tf.io.TFRecordWriter(path, tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
        for row in serialized(MANY):
            writer.write(row)
    examples = read_examples(str(tmp_path / "data*"), 50)
    assert examples == serialized(MANY[:50])
    done = rewrite(exported, tmp_path / "lite", examples=examples)
    assert done.signature_name == "serving_raw"
    assert "on 50 examples" in done.findings[0].message


def test_names_the_operations_that_tflite_does_not_have(exported, tmp_path):
    from components.saved_model.rewrite import rewrite

    with pytest.raises(
        InvalidModelError, match=r"TFLite has no kernel for ParseExampleV2; give a signature"
    ):
        rewrite(
            exported,
            tmp_path / "lite",
            examples=serialized(MANY),
            signature_name="serving_default",
        )
    assert list(tmp_path.iterdir()) == []


def test_writes_nothing_that_answers_differently(wide, tmp_path):
    from components.saved_model.rewrite import rewrite

    _, directory = wide
    with pytest.raises(
        InvalidModelError, match=r"'logits' differs .* more than 1e-09, .*quantize less"
    ):
        rewrite(
            directory,
            tmp_path / "lite",
            examples={"row": MANY},
            quantization="dynamic",
            tolerance=1e-9,
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("expected", "found", "passed"),
    [
        ([1.0, 2.0], [1.0, 2.1], True),
        ([1.0, 2.0], [1.0, 2.3], False),
        ([1.0, float("nan")], [1.0, float("nan")], False),
        ([1.0, float("nan")], [1.0, 2.0], False),
        ([1.0, 2.0], [1.0, float("nan")], False),
        ([float("inf"), 1.0], [float("inf"), 1.0], True),
        ([float("inf"), 1.0], [float("-inf"), 1.0], False),
        ([float("nan")], [float("nan")], False),
        ([0.0, 0.0], [0.0, 0.05], True),
        ([0.0, 0.0], [0.0, 0.5], False),
        ([1.0, 2.0], [[1.0, 2.0]], False),
        ([b"a"], [b"a"], True),
        ([b"a"], [b"b"], False),
        ([200, 100], [100, 200], False),
    ],
)
def test_compares_answers_and_fails_closed(expected, found, passed):
    from components.saved_model.answer_comparison import compare_answers

    (finding,) = compare_answers({"y": np.array(expected)}, {"y": np.array(found)}, 0.1)
    assert finding.passed is passed


@pytest.mark.parametrize(
    ("expected", "found", "whose"),
    [([1.0, np.nan], [1.0, np.nan], "original"), ([1.0, 2.0], [1.0, np.nan], "rewritten model")],
)
def test_says_whose_answer_is_no_number(expected, found, whose):
    from components.saved_model.answer_comparison import compare_answers

    (finding,) = compare_answers({"y": np.array(expected)}, {"y": np.array(found)}, 0.1)
    assert finding.message == (
        f"The output 'y' of the {whose} is NaN in 1 of 2 values, on 2 examples."
    )


def test_a_missing_output_fails():
    from components.saved_model.answer_comparison import compare_answers

    (finding,) = compare_answers({"y": np.ones(2)}, {"z": np.ones(2)}, 0.1)
    assert (finding.passed, finding.message) == (
        False, "The output 'y' isn't there; the original's has (2,)."
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"quantization": "int4"}, ConfigurationError, "'int4'; expected one of none, dynamic"),
        ({"format": "tfjs"}, ConfigurationError, "format is 'tfjs'; expected one of tflite"),
        ({"examples": {"x": MANY}}, DataError, r"have \['x'\], but .* takes \['row'\]"),
        ({"examples": []}, DataError, "no examples"),
        ({"examples": None}, DataError, "the examples are a NoneType"),
        ({"examples": [b""]}, DataError, r"\['row'\] .* can't be read from the examples"),
        ({"signature_name": "nope"}, InvalidModelError, "no signature 'nope'"),
        ({"tolerance": float("nan")}, ConfigurationError, "tolerance is nan; expected a number"),
        ({"tolerance": -1}, ConfigurationError, "tolerance is -1; expected a number from 0"),
        ({"tolerance": "1%"}, ConfigurationError, "tolerance is '1%'; expected a number"),
        ({"examples": [1.0, 2.0]}, DataError, r"a list of float; expected .* {'row': …}"),
        ({"examples": MANY}, DataError, r"a ndarray of ndarray; expected .* {'row': …}"),
        ({"examples": {"row": MANY[:, :3]}}, DataError, r"float32\[200, 3\].*takes float32\[None"),
        ({"examples": {"row": 1.0}}, DataError, "give a row for each example"),
        ({"examples": {"row": [[1.0], [1.0, 2.0]]}}, DataError, "'row' is no array: "),
        ({"examples": {"row": [["a"] * 4]}}, DataError, r"takes float32\[None, 4\]"),
    ],
)
def test_refuses_bad_input(wide, tmp_path, change, error, message):
    from components.saved_model.rewrite import rewrite

    _, directory = wide
    with pytest.raises(error, match=message):
        rewrite(directory, tmp_path / "lite", **{"examples": {"row": MANY}, **change})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["", "lite", "assets.extra/lite", ".."])
def test_never_changes_the_model(wide, target):
    from components.saved_model.rewrite import rewrite

    _, directory = wide
    before = artifacts.digest(directory)
    with pytest.raises(ConfigurationError, match="the model would change; give a directory beside"):
        rewrite(directory, directory / target, examples={"row": MANY})
    assert artifacts.digest(directory) == before


def test_takes_lists_as_arrays(wide, tmp_path):
    from components.saved_model.rewrite import rewrite

    done = rewrite(wide[1], tmp_path / "lite", examples={"row": MANY[:5].tolist()})
    assert "on 5 examples" in done.findings[0].message


def test_no_rows_compare_nothing(wide, tmp_path):
    from components.saved_model.rewrite import rewrite

    with pytest.raises(DataError, match="have no rows"):
        rewrite(wide[1], tmp_path / "lite", examples={"row": MANY[:0]}, quantization="int8")
    assert not (tmp_path / "lite").exists()


@pytest.fixture(scope="module")
def recurrent(tmp_path_factory):
    """A recurrent layer, with signatures for one row, three, and any number."""
    import keras
    import tensorflow as tf

    from components.saved_model.export import export
    from components.saved_model.serving_signature import raw_tensors

    inputs = keras.Input((6, 4))
    model = keras.Model(inputs, keras.layers.LSTM(3)(inputs))
    signatures = {
        name: raw_tensors(
            lambda features: model(features["steps"]), {"steps": tf.TensorSpec([rows, 6, 4])}
        )
        for name, rows in (("one", 1), ("three", 3), ("any", None))
    }
    return export(model, tmp_path_factory.mktemp("recurrent") / "model", signatures=signatures)


STEPS = np.random.default_rng(4).normal(size=(7, 6, 4)).astype(np.float32)


@pytest.mark.parametrize(("name", "num_compared"), [("one", 7), ("three", 6)])
def test_signatures_of_a_fixed_number_of_rows_are_asked_in_turn(
    recurrent, tmp_path, name, num_compared
):
    from components.saved_model.rewrite import rewrite

    done = rewrite(recurrent, tmp_path / "lite", examples={"steps": STEPS}, signature_name=name)
    assert done.findings[0].message.endswith(f"on {num_compared} examples.")


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"signature_name": "any"}, InvalidModelError, r"TensorListReserve .* a fixed number of r"),
        (
            {"signature_name": "one", "quantization": "int8"},
            InvalidModelError,
            r"runs While .*can't quantize to int8; use dynamic",
        ),
        (
            {"signature_name": "three", "examples": {"steps": STEPS[:2]}},
            DataError,
            "there are 2 examples; give more",
        ),
    ],
)
def test_names_what_a_loop_needs(recurrent, tmp_path, settings, error, message):
    from components.saved_model.rewrite import rewrite

    with pytest.raises(error, match=message):
        rewrite(recurrent, tmp_path / "lite", **{"examples": {"steps": STEPS}, **settings})
    assert list(tmp_path.iterdir()) == []
