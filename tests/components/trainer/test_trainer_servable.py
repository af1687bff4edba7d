"""A model is kept only if a server could load it and it answers."""

import numpy as np
import pytest

from components.errors import DataError, InvalidModelError
from components.trainer.fn_args import example_accessor


@pytest.fixture(scope="module")
def tf():
    import tensorflow

    return tensorflow


@pytest.fixture(scope="module")
def example_file(tf, tmp_path_factory):
    """Three examples: x = 0, 1, 2; y = 10 x."""
    path = tmp_path_factory.mktemp("examples") / "data_tfrecord-00000-of-00001.gz"
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for x in range(3):
            features = {
                name: tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
                for name, value in (("x", x), ("y", 10 * x))
            }
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())
    return str(path)


@pytest.fixture
def save(tf, tmp_path):
    """Save a model that parses one feature of its examples; return its directory."""

    def save(feature="x", signature="serving_default"):
        spec = {feature: tf.io.FixedLenFeature([], tf.float32)}

        def answer(examples):
            return {"y": 2.0 * tf.io.parse_example(examples, spec)[feature]}

        module = tf.Module()
        examples = tf.TensorSpec([None], tf.string, name="examples")
        module.answer = tf.function(answer, input_signature=[examples])
        signatures = {signature: module.answer} if signature else {}
        tf.saved_model.save(module, str(tmp_path / "model"), signatures=signatures)
        return tmp_path / "model"

    return save


def check(directory, *files):
    from components.trainer.servable import check_servable
    from components.trainer.serving_example import serving_examples

    return check_servable(directory, serving_examples([], list(files), None))


def test_accepts_a_model_that_answers_an_example(save, example_file):
    check(save(), example_file)


def test_refuses_a_model_that_cannot_answer_its_own_examples(save, example_file):
    with pytest.raises(InvalidModelError, match=r"(?s)can't answer the first .*: absent"):
        check(save(feature="absent"), example_file)


def test_asks_nothing_where_there_is_no_example_and_says_so(save, tmp_path, caplog):
    check(save(feature="absent"), str(tmp_path / "no-such-*"))
    assert [one.levelname for one in caplog.records if "not asked" in one.message] == ["WARNING"]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_refuses_weights_that_are_no_numbers_though_the_answer_is(tf, tmp_path, dtype):
    module = tf.Module()
    module.weights = tf.Variable(tf.constant([1.0, float("nan")], dtype), name="w")
    module.count = tf.Variable([1, 2])
    spec = tf.TensorSpec([None], tf.string, name="examples")
    module.f = tf.function(
        lambda _: {"y": tf.argmax(module.weights) + tf.size(module.count, tf.int64)},
        input_signature=[spec],
    )
    tf.saved_model.save(module, str(tmp_path / "m"), {"serving_default": module.f})
    with pytest.raises(InvalidModelError, match=r"1 variables .* hold NaN, .*diverged"):
        check(tmp_path / "m")


def test_refuses_a_symlink_to_a_model(save, tmp_path):
    (tmp_path / "link").symlink_to(save())
    with pytest.raises(InvalidModelError, match=r"serving_model_dir a symlink to .*/model'"):
        check(tmp_path / "link")


def test_refuses_an_eval_model_that_was_written_half(save, tmp_path):
    from components.trainer.servable import check_eval_model

    check_eval_model(tmp_path / "none")
    directory = save()
    check_eval_model(directory)
    graph = directory / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[:100])
    with pytest.raises(InvalidModelError, match="can't be loaded"):
        check_eval_model(directory)


def test_refuses_a_model_without_signatures(save, example_file):
    with pytest.raises(InvalidModelError, match="without serving signatures"):
        check(save(signature=None), example_file)


def test_refuses_a_model_without_the_default_signature(save, example_file):
    with pytest.raises(InvalidModelError, match=r"no signature 'serving_default'; it has 'other'"):
        check(save(signature="other"), example_file)


def test_refuses_a_variable_without_a_value_even_where_the_example_does_not_reach_it(tf, tmp_path):
    """As tf.saved_model.save writes models of Keras 3, where nothing mends it."""
    import keras

    layer = keras.layers.Dense(1, name="lonely")
    layer.build((None, 1))
    module = tf.Module()
    module.layer = layer

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def answer(examples):
        x = tf.io.parse_example(examples, {"x": tf.io.FixedLenFeature([], tf.float32)})["x"]
        return {"y": tf.cond(tf.size(x) > 5, lambda: layer(x[:, None])[:, 0], lambda: x)}

    tf.saved_model.save(module, str(tmp_path / "m"), signatures={"serving_default": answer})
    with pytest.raises(
        InvalidModelError, match=r"use 2 variables .*'lonely/bias', 'lonely/kernel'"
    ):
        check(tmp_path / "m")


@pytest.mark.parametrize("cut", ["removed", "truncated"])
def test_refuses_a_model_that_was_written_half(tf, tmp_path, cut):
    module = tf.Module()
    module.factor = tf.Variable(tf.ones([1000]))
    spec = tf.TensorSpec([None], tf.string, name="examples")
    module.f = tf.function(lambda _: {"y": module.factor}, input_signature=[spec])
    tf.saved_model.save(module, str(tmp_path / "m"), {"serving_default": module.f})
    assert check(tmp_path / "m")["num_parameters"] == 1000
    (data,) = (tmp_path / "m" / "variables").glob("variables.data-*")
    if cut == "removed":
        data.unlink()
    else:
        data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(InvalidModelError, match="can't be loaded"):
        check(tmp_path / "m")


def test_describes_what_a_model_takes_and_gives(save, example_file):
    facts = check(save(), example_file)
    assert facts["signatures"] == {
        "serving_default": {
            "inputs": {"examples": {"dtype": "string", "shape": [None]}},
            "outputs": {"y": {"dtype": "float32", "shape": [None]}},
        }
    }
    assert (facts["num_variables"], facts["num_parameters"]) == (0, 0)
    assert facts["answered"] == "the first of its own examples"
    assert check(save())["answered"] is None


def test_asks_examples_as_a_server_gets_them(save, example_file, tmp_path):
    from components.trainer.servable import check_servable
    from components.trainer.serving_example import serving_examples

    graph = tmp_path / "graph" / "metadata"
    graph.mkdir(parents=True)
    (graph / "schema.pbtxt").write_text(
        'feature { name: "raw" type: FLOAT shape { dim { size: 1 } } }'
        'feature { name: "word" type: BYTES }'
    )
    directory = save(feature="raw")
    facts = check_servable(directory, serving_examples([], [example_file], str(graph.parent)))
    assert facts["answered"] == "an example made up from the transform graph's schema"
    asked = serving_examples([example_file], [], str(graph.parent))
    with pytest.raises(InvalidModelError, match=r"(?s)can't answer the first of its own .*: raw"):
        check_servable(directory, asked)


def test_refuses_an_output_that_is_no_saved_model(tmp_path):
    with pytest.raises(InvalidModelError, match=r"wrote no SavedModel.*it doesn't exist"):
        check(tmp_path / "nothing")
    (tmp_path / "model.keras").touch()
    with pytest.raises(InvalidModelError, match=r"it holds \['model\.keras'\].*model\.export"):
        check(tmp_path)


def test_names_an_example_file_that_cannot_be_read(save, tmp_path):
    (tmp_path / "broken.gz").write_bytes(b"no gzip")
    with pytest.raises(DataError, match=r"broken\.gz' can't be read as TFRecord"):
        check(save(), str(tmp_path / "broken.gz"))


@pytest.mark.slow  # imports Beam, which takes 10 s
def test_data_accessor_reads_record_batches_and_datasets(example_file):
    from tensorflow_metadata.proto.v0 import schema_pb2
    from tfx_bsl.public import tfxio

    accessor = example_accessor()
    options = tfxio.RecordBatchesOptions(batch_size=3, shuffle=False, num_epochs=1)
    (batch,) = accessor.record_batch_factory([example_file], options, None)
    assert batch.to_pydict()["x"] == [[0.0], [1.0], [2.0]]
    schema = schema_pb2.Schema()
    for name in ("x", "y"):
        feature = schema.feature.add(name=name, type=schema_pb2.FLOAT)
        feature.presence.min_fraction = 1
        feature.shape.dim.add(size=1)
    options = tfxio.TensorFlowDatasetOptions(3, shuffle=False, num_epochs=1, label_key="y")
    ((features, labels),) = accessor.tf_dataset_factory([example_file], options, schema)
    np.testing.assert_array_equal(features["x"], [[0.0], [1.0], [2.0]])
    np.testing.assert_array_equal(labels, [[0.0], [10.0], [20.0]])


@pytest.fixture
def save_raw(tf, tmp_path):
    """Save a model whose only signature takes the feature as a tensor."""

    def save(compute, name="x"):
        module = tf.Module()
        spec = tf.TensorSpec([None], tf.float32, name=name)
        module.answer = tf.function(lambda x: {"y": compute(x)}, input_signature=[spec])
        tf.saved_model.save(
            module, str(tmp_path / "raw"), signatures={"serving_default": module.answer}
        )
        return tmp_path / "raw"

    return save


def test_a_signature_of_tensors_is_asked_by_the_features_of_the_same_names(save_raw, example_file):
    assert check(save_raw(lambda x: 2 * x), example_file)["answered"] is not None


def test_a_signature_of_tensors_that_can_not_answer_is_refused(tf, save_raw, example_file):
    model = save_raw(lambda x: tf.debugging.check_numerics(x / 0.0, "never"))

    with pytest.raises(InvalidModelError, match="can't answer the first of its own examples"):
        check(model, example_file)


def test_tensors_that_no_feature_is_named_like_are_not_asked(save_raw, example_file):
    assert check(save_raw(lambda x: x, name="other"), example_file)["answered"] is None


def test_a_model_that_answers_nan_is_refused(tf, save_raw, example_file):
    model = save_raw(lambda x: x * float("nan"))

    with pytest.raises(
        InvalidModelError, match="with NaN in its output 'y': the training diverged"
    ):
        check(model, example_file)
