"""What models may take and give: features of all kinds, several outputs; and bad examples."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from components import artifacts
from components.errors import ConfigurationError, DataError, InvalidModelError
from components.evaluator import evaluate
from components.records import Model

GENERATOR = np.random.default_rng(4)
SIZE = 300
LATE = (GENERATOR.random(SIZE) < 0.4).astype(int)
CODES = [GENERATOR.integers(0, 5, count).tolist() for count in GENERATOR.integers(0, 4, SIZE)]
PAIRS = GENERATOR.random((SIZE, 2)).astype(np.float32)
NAMES = GENERATOR.choice(["short", "quite long"], SIZE).tolist()
RISKS = np.array(
    [(sum(codes) + 10 * pair.sum() + len(name)) / 60
     for codes, pair, name in zip(CODES, PAIRS, NAMES, strict=True)]
)  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Return a model of ragged numbers, pairs of floats and texts; no ``serving_default``.

    Its signatures: ``ragged`` and ``sparse`` parse examples; ``tensors`` takes plain ones, ``pair``
    only the pairs; ``both`` gives ``risk`` and ``delay``, ``cube`` an output of three dimensions,
    ``words`` texts, ``composite`` takes a ragged tensor.
    """
    import tensorflow as tf

    directory = tmp_path_factory.mktemp("inputs") / "Format-Serving"
    text = tf.TensorSpec([None], tf.string, name="examples")
    fixed = {
        "pair": tf.io.FixedLenFeature([2], tf.float32),
        "name": tf.io.FixedLenFeature([], tf.string),
    }

    def risk(total, pair, name):
        length = tf.cast(tf.strings.length(name), tf.float32)
        return (tf.cast(total, tf.float32) + 10.0 * tf.reduce_sum(pair, 1) + length) / 60.0

    def parsed(serialized):
        spec = {**fixed, "codes": tf.io.RaggedFeature(tf.int64)}
        features = tf.io.parse_example(serialized, spec)
        return risk(tf.reduce_sum(features["codes"], 1), features["pair"], features["name"])

    def sparse(serialized):
        features = tf.io.parse_example(
            serialized, {**fixed, "codes": tf.io.VarLenFeature(tf.int64)}
        )
        total = tf.sparse.reduce_sum(features["codes"], 1)
        return risk(total, features["pair"], features["name"])

    heads = {
        "ragged": lambda examples: {"risk": parsed(examples)},
        "sparse": lambda examples: {"risk": sparse(examples)},
        "both": lambda examples: {"risk": parsed(examples), "delay": 60 * parsed(examples)},
        "cube": lambda examples: {"risk": parsed(examples)[:, None, None]},
        "words": lambda examples: {"risk": tf.strings.as_string(parsed(examples))},
    }
    signatures = {
        name: tf.function(head, input_signature=[text]).get_concrete_function()
        for name, head in heads.items()
    }
    tensors = [
        tf.TensorSpec([None, None], tf.int32, name="codes"),
        tf.TensorSpec([None, 2], tf.float32, name="pair"),
        tf.TensorSpec([None], tf.string, name="name"),
    ]
    signatures["tensors"] = tf.function(
        lambda codes, pair, name: {"risk": risk(tf.reduce_sum(codes, 1), pair, name)},
        input_signature=tensors,
    ).get_concrete_function()
    signatures["three"] = tf.function(
        lambda pair: {"risk": tf.reduce_sum(pair, 1)},
        input_signature=[tf.TensorSpec([None, 3], tf.float32, name="pair")],
    ).get_concrete_function()
    tf.saved_model.save(tf.Module(), str(directory), signatures=signatures)
    manifest = artifacts.read_manifest(directory)
    return Model(uri=str(directory), digest=manifest.digest, num_bytes=manifest.num_bytes)


def rows(**columns):
    codes = [values or None for values in CODES]
    columns = {"late": LATE.tolist(), "codes": codes, "pair": PAIRS.tolist(), "name": NAMES,
               "delay": (60 * RISKS + 3).tolist(), **columns}  # fmt: skip
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]


@pytest.fixture
def measured(model, write_examples, tmp_path):
    """Return a function that evaluates and says what the metrics are overall, and the blessing."""

    def run(metrics_specs, given=None, slicing_specs=(), **model_spec):
        blessing = evaluate(
            model=model,
            examples=write_examples(rows() if given is None else given),
            eval_config={
                "model_specs": [{"label_key": "late", **model_spec}],
                "slicing_specs": list(slicing_specs),
                "metrics_specs": metrics_specs,
            },
            output_dir=tmp_path / "evaluation",
        )
        value = json.loads((Path(blessing.report_uri).parent / "metrics.json").read_text())
        return {n: v["candidate"] for n, v in value["slices"][0]["metrics"].items()}, blessing

    return run


BOUND = {"value_threshold": {"lower_bound": 0.0}}
MEAN = [{"metrics": [{"class_name": "MeanPrediction", "threshold": BOUND}]}]
AUC = [{"metrics": [{"class_name": "AUC", "threshold": BOUND}]}]


@pytest.mark.parametrize("signature_name", ["ragged", "sparse", "tensors"])
def test_features_of_all_kinds(measured, signature_name):
    metrics, _ = measured(MEAN, signature_name=signature_name)
    assert metrics["mean_prediction"] == pytest.approx(RISKS.mean(), rel=1e-6)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"name": [None, *NAMES[1:]]}, r"example 1 has 0 values of the feature 'name'; .* takes 1"),
        ({"name": [None] * SIZE}, r"the model's input 'name' isn't in the examples"),
        ({"pair": [["a", "b"]] * SIZE}, r"'pair' holds text; the model's input takes float32"),
        (
            {"codes": [1, [2, 2**32 + 3], *[1] * (SIZE - 2)]},
            r"example 2 has 4294967299 in the feature 'codes'; the model's input takes int32",
        ),
        ({"codes": [0.5] * SIZE}, r"'codes' holds float32 numbers; the model's input takes int32"),
    ],
)
def test_refuses_what_can_not_be_fed(measured, columns, message):
    with pytest.raises(DataError, match=message):
        measured(MEAN, rows(**columns), signature_name="tensors")


def test_outputs_are_measured_each_by_its_label(measured):
    """No label is among the model's inputs."""
    risk = {"metrics": [{"class_name": "MeanLabel"}, {"class_name": "BrierScore"}]}
    delay = {"metrics": [{"class_name": "MeanAbsoluteError", "threshold": BOUND}]}
    metrics, blessing = measured(
        [{**risk, "output_names": ["risk"]}, {**delay, "output_names": ["delay"]}],
        signature_name="both",
        label_key="",
        label_keys={"risk": "late", "delay": "delay"},
    )
    assert metrics["mean_label (output risk)"] == pytest.approx(LATE.mean())
    assert metrics["brier_score (output risk)"] == pytest.approx(((RISKS - LATE) ** 2).mean(), 1e-6)
    assert metrics["mean_absolute_error (output delay)"] == pytest.approx(3, rel=1e-4)
    assert blessing.findings[0].metric == "mean_absolute_error (output delay)"


@pytest.mark.parametrize(
    ("model_spec", "error", "message"),
    [
        (
            {},
            InvalidModelError,
            r"no signature 'serving_default'; it has 'both', 'cube', 'ragged',",
        ),
        (
            {"signature_name": "cube"},
            InvalidModelError,
            r"'risk' of the model has shape \(300, 1, 1",
        ),
        ({"signature_name": "words"}, InvalidModelError, r"type object for 300 examples"),
        ({"signature_name": "three"}, DataError, r"has 2 values of the feature 'pair'; .* takes 3"),
        (
            {"signature_name": "both"},
            InvalidModelError,
            r"several outputs; it has \['delay', 'risk'",
        ),
    ],
)
def test_refuses_a_model_that_does_not_fit(measured, model_spec, error, message):
    with pytest.raises(error, match=message):
        measured(MEAN, **model_spec)


def test_slices_by_what_is_not_finite(measured):
    halves = [[math.inf, -math.inf, math.nan, 0.5][row % 4] for row in range(SIZE)]
    threshold = {"class_name": "ExampleCount", "threshold": {"value_threshold": {"lower_bound": 9}}}
    _, blessing = measured(
        [{"metrics": [threshold]}],
        rows(half=halves),
        [{"feature_keys": ["half"]}],
        signature_name="ragged",
    )
    found = {finding.slice["half"]: finding.observed for finding in blessing.findings}
    assert found == dict.fromkeys(("inf", "-inf", "nan", 0.5), SIZE / 4)


def test_refuses_an_output_without_a_label(measured):
    spec = [{**MEAN[0], "output_names": ["delay"]}]
    with pytest.raises(
        ConfigurationError, match="the output 'delay', for which model_specs has no"
    ):
        measured(spec, signature_name="both", label_key="", label_keys={"risk": "late"})


@pytest.mark.parametrize(
    ("columns", "model_spec"),
    [
        ({"w": [0.0] * SIZE}, {"example_weight_key": "w"}),
        ({"late": [1] * SIZE}, {}),
        ({"late": [0] * SIZE}, {}),
        ({"pair": [[math.nan, 0.0], *PAIRS.tolist()[1:]]}, {}),
        ({"pair": [[math.inf, 0.0], *PAIRS.tolist()[1:]]}, {}),
    ],
    ids=["all weights zero", "positives only", "negatives only", "NaN", "infinite"],
)
def test_what_says_nothing_blesses_nothing(measured, columns, model_spec):
    metrics, blessing = measured(AUC, rows(**columns), signature_name="ragged", **model_spec)
    assert not blessing.blessed
    assert metrics["auc"] is None
    assert "has no value, so it meets no threshold" in blessing.failures[0].message


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"late": [float("nan")] + [0.0] * (SIZE - 1)}, r"example 1 is nan; every label must be a"),
        ({"late": [None] + [0] * (SIZE - 1)}, r"1 of the examples 1 to 300 don't have exactly one"),
        ({"w": ["heavy"] * SIZE}, r"'w' holds text, for instance b'heavy'; expected numbers"),
    ],
)
def test_bad_examples_are_named(measured, columns, message):
    weights = {"example_weight_key": "w"} if "w" in columns else {}
    with pytest.raises(DataError, match=message):
        measured(AUC, rows(**columns), signature_name="ragged", **weights)


def test_more_slices_than_are_held_are_refused_by_name(measured, monkeypatch):
    monkeypatch.setattr("components.evaluator.tally.MAX_SLICES", 100)
    own = [f"flight {number}" for number in range(SIZE)]
    with pytest.raises(DataError, match=r"more than 100 slices, for instance \{'own': 'flight"):
        measured(AUC, rows(own=own), [{}, {"feature_keys": ["own"]}], signature_name="ragged")


def test_a_keras_metric_of_ones_own(measured):
    """Its variables are added up over batches; CosineSimilarity isn't one of ours."""
    squared = {
        "class_name": "MeanSquaredLogarithmicError",
        "module": "keras.src.metrics.regression_metrics",
        "config": {"name": "own"},
        "threshold": BOUND,
    }
    metrics, blessing = measured([{"metrics": [squared]}], signature_name="ragged")
    expected = np.mean((np.log1p(LATE) - np.log1p(RISKS)) ** 2)
    assert metrics["own"] == pytest.approx(expected, rel=1e-5)
    assert blessing.blessed
