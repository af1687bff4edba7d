"""Keras' layers, adapted without Beam: their state against NumPy, their graph where it is used."""

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from components import artifacts, records
from components.errors import ConfigurationError, DataError, UserCodeError
from components.tfrecord import read_records
from components.transform import transform
from tests.components.transform.conftest import write_examples

RANDOM = np.random.default_rng(7)
TRAIN = [
    {
        "miles": float(np.float32(100_000 + RANDOM.normal())),  # far from zero: hard to sum
        "carrier": str(RANDOM.choice(["AA", "UA", "B6"], p=[0.5, 0.3, 0.2])),
        "is_late": int(RANDOM.integers(2)),
        "delays": [float(i) for i in range(RANDOM.integers(3))],
    }
    for _ in range(5000)
]
TRAIN = [{name: value for name, value in row.items() if value != []} for row in TRAIN]
EVAL = [
    {"miles": 100_000.0, "carrier": "AA", "is_late": 1, "delays": [4.0, 2.0]},
    {"miles": 0.0, "carrier": "ZZ", "is_late": 0},
]
MODULE = """
import keras
import tensorflow as tf

def preprocessing_layers(inputs, custom_config):
    total = keras.layers.Lambda(
        lambda delays: tf.sparse.reduce_sum(delays, 1, keepdims=True), output_shape=(1,)
    )
    around_mean = keras.layers.Normalization(axis=None)(inputs["miles"])
    return {
        "miles": around_mean * custom_config["factor"],
        "quarter": keras.layers.Discretization(num_bins=4)(around_mean),
        "carrier": keras.layers.StringLookup()(inputs["carrier"]),
        "delay": total(inputs["delays"]),
        "is_late": inputs["is_late"],
    }
"""


@pytest.fixture
def examples(tmp_path):
    return write_examples(tmp_path / "examples", train=TRAIN, eval=EVAL)


@pytest.fixture
def run(examples, schema, tmp_path, user_module):
    def run(text, **arguments):
        return transform(
            examples=arguments.pop("examples", examples),
            schema=schema,
            module_file=user_module(text),
            output_dir=tmp_path / "out",
            **arguments,
        )

    return run


def expected_rows():
    """What the layers give for `EVAL`, by NumPy and `Counter` from `TRAIN`."""
    miles = np.array([row["miles"] for row in TRAIN], np.float64)
    counts = Counter(row["carrier"] for row in TRAIN)
    vocabulary = [name for name, _ in counts.most_common()]
    around_mean = [(row["miles"] - miles.mean()) / miles.std() for row in EVAL]
    return around_mean, [vocabulary.index("AA") + 1, 0]


def test_layers_know_the_training_split_and_nothing_else(run):
    import tensorflow as tf

    from components.transform.feature_transform import FeatureTransform

    record = run(MODULE, custom_config={"factor": 2.0})
    graph = FeatureTransform(record.uri)
    around_mean, carriers = expected_rows()
    raw = {
        "miles": [[row["miles"]] for row in EVAL],
        "carrier": [[row["carrier"]] for row in EVAL],
        "delays": tf.sparse.from_dense([[4.0, 2.0], [0.0, 0.0]]),
    }
    found = graph({name: tf.constant(v) if isinstance(v, list) else v for name, v in raw.items()})

    assert set(found) == {"miles", "quarter", "carrier", "delay"}  # without a label, no label
    np.testing.assert_allclose(found["miles"][:, 0], np.multiply(2, around_mean), 1e-3, 0.02)
    assert found["carrier"].numpy().tolist() == [[carriers[0]], [carriers[1]]]
    assert found["delay"].numpy().tolist() == [[6.0], [0.0]]
    assert found["quarter"].numpy()[1] == [0]
    assert (graph.num_values("carrier"), graph.num_values("quarter")) == (4, 4)
    assert set(graph.raw_feature_spec("is_late")) == {"miles", "carrier", "delays"}


def test_the_graph_is_one_of_tf_transform(run, examples):
    import tensorflow as tf
    import tensorflow_transform as tft

    record = run(MODULE, custom_config={"factor": 1.0})
    output = tft.TFTransformOutput(record.uri)

    assert record.examples_digest == examples.digest
    assert artifacts.digest(record.uri) == record.digest
    assert set(output.raw_feature_spec()) == {"miles", "carrier", "is_late", "delays"}
    assert output.transformed_feature_spec()["carrier"] == tf.io.FixedLenFeature([1], tf.int64)
    assert output.transformed_feature_spec()["quarter"].dtype == tf.int64  # from int32


def test_a_split_is_written_transformed_where_that_is_asked_for(run):
    from tensorflow.core.example import example_pb2

    record = run(MODULE, custom_config={"factor": 1.0}, transform_splits=["eval"])
    written = records.load(Path(record.uri).parent / "transformed_examples" / "record.json")
    (file,) = Path(written.uri).glob(written.splits["eval"].file_pattern)
    rows = [example_pb2.Example.FromString(data).features.feature for data in read_records(file)]

    around_mean, carriers = expected_rows()
    assert [row["carrier"].int64_list.value[0] for row in rows] == carriers
    assert [row["is_late"].int64_list.value[0] for row in rows] == [1, 0]
    found = [row["miles"].float_list.value[0] for row in rows]
    np.testing.assert_allclose(found, around_mean, 1e-3, 0.02)
    assert artifacts.digest(written.uri, exclude={"record.json"}) == written.digest


def test_layers_that_need_no_others_share_a_pass():
    import keras

    from components.transform.adaptation import adapt

    text, number = keras.Input((1,), dtype="string"), keras.Input((1,))
    lookup, normalize = keras.layers.StringLookup(), keras.layers.Normalization()
    known = keras.layers.StringLookup(vocabulary=["a"])
    flat = keras.Model([text, number], [lookup(text), normalize(number), known(text)])
    batches = CountedBatches([[np.array([["a"], ["b"]]), np.array([[1.0], [3.0]])]])
    assert adapt(flat, batches) == batches.num_passes == 1
    assert lookup.get_vocabulary() == ["[UNK]", "b", "a"]

    chained = keras.layers.Discretization(num_bins=2)
    deep = keras.Model([text, number], chained(keras.layers.Normalization()(number)))
    batches = CountedBatches(batches.batches)
    assert adapt(deep, batches) == batches.num_passes == 2


class CountedBatches:
    """Counts how often it is gone through."""

    def __init__(self, batches):
        self.batches = batches
        self.num_passes = 0

    def __iter__(self):
        self.num_passes += 1
        return iter(self.batches)


@pytest.mark.parametrize("kept_axes", [(), (-1,), (1,)])
def test_moments_are_those_of_all_batches_at_once(kept_axes):
    from components.transform.adaptation import Moments

    values = 1e6 + np.random.default_rng(1).normal(size=(1000, 3))
    moments = Moments(kept_axes)
    for start in (0, 1, 400):
        moments.add(values[start : {0: 1, 1: 400, 400: 1000}[start]])

    reduced = 0 if kept_axes else None
    np.testing.assert_allclose(moments.mean, values.mean(axis=reduced), rtol=1e-13)
    np.testing.assert_allclose(moments.variance, values.var(axis=reduced), rtol=1e-9)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("def preprocessing_layers(inputs):\n    return inputs['fare']", UserCodeError,
         r"preprocessing_layers of .* raised KeyError: 'fare' in line 2"),
        ("def preprocessing_layers(inputs):\n    return 5", ConfigurationError,
         "returned int; expected a dict of outputs by name"),
        ("def preprocessing_layers(inputs):\n    return {'five': 5}", ConfigurationError,
         "returned 5 as 'five'; expected an output of a layer"),
        ("preprocessing_fn = preprocessing_layers = print", ConfigurationError,
         "has both functions preprocessing_fn and preprocessing_layers"),
        ("import keras\ndef preprocessing_layers(inputs):\n"
         "    layer = keras.layers.Normalization()\n"
         "    return {'a': layer(inputs['miles']), 'b': layer(inputs['is_late'])}", UserCodeError,
         "is called more than once"),
        ("import keras\ndef preprocessing_layers(inputs):\n"
         "    logarithm = keras.ops.log(inputs['miles'] - 1e6)\n"
         "    return {'a': keras.layers.Normalization()(logarithm)}", DataError,
         "gets values that aren't finite"),
    ],
)  # fmt: skip
def test_layers_that_can_not_be_are_an_error_that_says_so(run, tmp_path, text, error, words):
    with pytest.raises(error, match=words):
        run(text)
    assert not (tmp_path / "out").exists()


def test_beams_options_are_not_taken_silently(run):
    with pytest.raises(ConfigurationError, match="runs without Beam, but beam_pipeline_args"):
        run(MODULE, beam_pipeline_args=["--runner=FlinkRunner"])


def test_examples_unlike_the_schema_are_an_error(run, tmp_path):
    rows = [{**row, "miles": "far"} for row in TRAIN[:10]]
    other = write_examples(tmp_path / "other", train=rows)
    with pytest.raises(DataError, match="can't be read as the schema says"):
        run(MODULE, custom_config={"factor": 1.0}, examples=other)


def test_no_beam_is_loaded():
    assert "components.transform.keras_transform" in sys.modules
    assert not [name for name in sys.modules if name.startswith("tensorflow_transform.beam.impl")]
