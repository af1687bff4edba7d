"""Labels and weights that a model makes of the examples count as those in the examples do."""

from pathlib import Path

import numpy as np
import pytest

from components import artifacts
from components.errors import InvalidModelError
from components.evaluator import read_eval_config
from components.evaluator.baseline import Comparison
from components.evaluator.engine_choice import EngineChoice
from components.records import Model

METRICS = [{"metrics": [{"class_name": "BinaryAccuracy"}, {"class_name": "AUC"}],
            "example_weights": {"weighted": True}}]  # fmt: skip
GIVEN = {"label_key": "big", "example_weight_key": "weight"}
MADE = {
    "label_key": "big_xf",
    "example_weight_key": "weight_xf",
    "preprocessing_function_names": ["transform_features"],
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A model that answers the tip's share, and says which tips are big."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples):
        return {"outputs": parsed(examples)["tip"][:, None]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def transform(examples):
        row = parsed(examples)
        return {
            "big_xf": tf.cast(row["tip"] + row["noise"] > 0.5, tf.int64)[:, None],
            "weight_xf": 2 * row["noise"] + 1,
            "matrix": tf.zeros((2, 2)),
        }

    def parsed(examples):
        names = ("tip", "noise")
        spec = {name: tf.io.FixedLenFeature([], tf.float32) for name in names}
        return tf.io.parse_example(examples, spec)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="tip")])
    def plain(tip):
        return {"outputs": tip}

    module = tf.Module()
    module.functions = [serve, transform, plain]
    directory = tmp_path_factory.mktemp("model") / "saved"
    signatures = {"serving_default": serve, "transform_features": transform, "plain": plain}
    tf.saved_model.save(module, str(directory), signatures=signatures)
    return Model(str(directory), artifacts.digest(directory), 1)


@pytest.fixture
def examples(write_examples):
    generator = np.random.default_rng(0)
    rows = []
    for tip, noise in generator.random((3_000, 2), np.float32).tolist():
        big = int(np.float32(tip) + np.float32(noise) > 0.5)
        rows.append({"tip": tip, "noise": noise, "big": big, "weight": 2 * noise + 1})
    return write_examples(rows)


@pytest.fixture
def measured(model, examples, tmp_path):
    """Measure with a model spec; return the metrics."""
    from components.evaluator.measurement import measure

    def measured(spec, engine=EngineChoice()):  # noqa: B008 - frozen
        config = read_eval_config({"model_specs": [spec], "metrics_specs": METRICS})
        comparison = Comparison(None, Path(model.uri), "baseline model")
        found = measure(
            config, model, comparison, examples, ["eval"], engine=engine, scratch=tmp_path
        )
        return [one.values for one in found.models.values()]

    return measured


def test_made_labels_and_weights_count_as_given_ones(measured):
    expected = measured(GIVEN)
    for engine in (EngineChoice(), EngineChoice("beam")):
        for given, made in zip(expected, measured(MADE, engine), strict=True):
            assert given.keys() == made.keys()
            for name, values in given.items():
                np.testing.assert_allclose(values, made[name], rtol=1e-6, err_msg=str(name))
    assert 0.5 < float(next(iter(expected[0].values()))[0]) < 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preprocessing_function_names": ["no"]}, "the model has no signature 'no'.*it has"),
        ({"preprocessing_function_names": ["plain"]}, "'plain' of the model doesn't take serial"),
        ({"label_key": "matrix"}, r"gives 'matrix' of shape \(2, 2\) for \d+ examples"),
    ],
)
def test_refuses_functions_that_can_not_make_labels(measured, changes, message):
    with pytest.raises(InvalidModelError, match=message):
        measured({**MADE, **changes})
