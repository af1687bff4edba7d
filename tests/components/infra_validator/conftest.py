"""Small models, sound and broken, and the examples that they are asked."""

import shutil

import numpy as np
import pytest

from components import artifacts, records
from components.tfrecord import write_records

NUM_ROWS = 40


@pytest.fixture(scope="session")
def features():
    return np.random.default_rng(3).normal(size=(NUM_ROWS, 2)).astype(np.float32)


@pytest.fixture(scope="session")
def infra_rows(features):
    import tensorflow as tf

    def example(values):
        feature = tf.train.Feature(float_list=tf.train.FloatList(value=values))
        return tf.train.Example(features=tf.train.Features(feature={"a": feature}))

    return [example(values).SerializeToString() for values in features]


@pytest.fixture
def infra_examples(infra_rows, tmp_path):
    """An `Examples` record."""
    directory = tmp_path / "examples"
    (directory / "Split-eval").mkdir(parents=True)
    write_records(directory / "Split-eval" / "data_tfrecord-00000-of-00001", infra_rows)
    return records.Examples(
        uri=str(directory),
        splits={"eval": records.Split("Split-eval/*", len(infra_rows))},
        digest=artifacts.digest(directory),
    )


@pytest.fixture(scope="session")
def save_model(tmp_path_factory):
    """Save a model that computes its outputs from the feature and a variable."""
    import tensorflow as tf

    def save(compute, *, signature="serving_default", parse=True, alias="a"):
        module = tf.Module()
        module.weights = tf.Variable([[0.5], [-1.25]])
        spec = tf.TensorSpec([None], tf.string, name="examples")
        if not parse:
            spec = tf.TensorSpec([None, 2], tf.float32, name=alias)

        @tf.function(input_signature=[spec])
        def serve(examples):
            wanted = {"a": tf.io.FixedLenFeature([2], tf.float32)}
            values = tf.io.parse_example(examples, wanted)["a"] if parse else examples
            return compute(values, module.weights)

        directory = tmp_path_factory.mktemp("saved") / "model"
        tf.saved_model.save(module, str(directory), signatures={signature: serve})
        return directory

    return save


@pytest.fixture(scope="session")
def good_model(save_model):
    return save_model(lambda values, weights: {"score": values @ weights})


@pytest.fixture
def damaged(good_model, tmp_path):
    """A copy of the good model that may be damaged."""
    return shutil.copytree(good_model, tmp_path / "damaged")


@pytest.fixture
def saved(tmp_path):
    """Save a model whose only signature computes this."""
    import tensorflow as tf

    def save(compute, **attributes):
        module = tf.Module()
        for name, value in attributes.items():
            setattr(module, name, value)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def serve(examples):
            return {"y": compute(examples)}

        directory = tmp_path / "model"
        tf.saved_model.save(module, str(directory), signatures={"serving_default": serve})
        return directory

    return save


@pytest.fixture
def saved_graph(tmp_path):
    """Save a model as TensorFlow 1 did, by a function that builds its graph."""
    import tensorflow as tf

    v1 = tf.compat.v1

    def save(build):
        with tf.Graph().as_default(), v1.Session() as session:
            inputs = v1.placeholder(tf.string, [None], name="examples")
            variable = v1.get_variable("w", initializer=1.0)
            options = build(inputs, variable)
            session.run(v1.global_variables_initializer())
            fed = options.pop("feed", inputs)
            outputs = {"y": options.pop("output", tf.identity(inputs))}
            builder = v1.saved_model.Builder(str(tmp_path / "model"))
            builder.add_meta_graph_and_variables(
                session,
                ["serve"],
                {
                    "serving_default": v1.saved_model.predict_signature_def(
                        {"examples": fed}, outputs
                    )
                },
                **options,
            )
            builder.save()
        return tmp_path / "model"

    return save


@pytest.fixture
def edited():
    """Change a saved graph by TensorFlow's own messages."""
    from tensorflow.core.protobuf import saved_model_pb2

    def edit(model, change):
        path = model / "saved_model.pb"
        message = saved_model_pb2.SavedModel.FromString(path.read_bytes())
        change(message.meta_graphs[0])
        path.write_bytes(message.SerializeToString())
        return model

    return edit
