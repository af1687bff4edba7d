"""Builds SavedModels that must not be blessed, each by code, all in one process.

Run as ``python broken_models.py DIRECTORY``; every function of `BUILDERS` becomes a directory of
that name there. A model takes serialized examples with a feature ``a`` of two floats.
"""

import sys
from pathlib import Path

WARMUP = Path("assets.extra") / "tf_serving_warmup_requests"
BUILDERS = {}


def builder(build):
    BUILDERS[build.__name__] = build
    return build


def save(directory, compute, *, name="serving_default", **attributes):
    """Save a model that computes ``score`` from the feature and a variable."""
    import tensorflow as tf

    module = tf.Module()
    module.weights = tf.Variable([[0.5], [-1.25]])
    for key, value in attributes.items():
        setattr(module, key, value)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples):
        return {"score": compute(parse(examples), module.weights)}

    tf.saved_model.save(module, str(directory), signatures={name: serve})


def parse(examples):
    import tensorflow as tf

    return tf.io.parse_example(examples, {"a": tf.io.FixedLenFeature([2], tf.float32)})["a"]


def save_graph(directory, initialise):
    """Save a model as TensorFlow 1 did: ``initialise`` makes what runs at every load."""
    import tensorflow as tf

    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        inputs = v1.placeholder(tf.string, [None], name="examples")
        weights = v1.get_variable("weights", initializer=[[0.5], [-1.25]])
        outputs = {"score": tf.linalg.matmul(parse(inputs), weights)}
        main_op, assets = initialise(weights)
        session.run(v1.global_variables_initializer())
        saver = v1.saved_model.Builder(str(directory))
        signature = v1.saved_model.predict_signature_def({"examples": inputs}, outputs)
        saver.add_meta_graph_and_variables(
            session,
            ["serve"],
            {"serving_default": signature},
            main_op=main_op,
            assets_collection=assets,
        )
        saver.save()


def sound(features, weights):
    return features @ weights


def after(operation, features, weights):
    """Return the answer, computed once the operation has run."""
    import tensorflow as tf

    with tf.control_dependencies([operation]):
        return tf.identity(features @ weights)


def edit(directory, change):
    from tensorflow.core.protobuf import saved_model_pb2

    path = directory / "saved_model.pb"
    message = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    change(message.meta_graphs[0])
    path.write_bytes(message.SerializeToString())


def for_ever(seed):
    """Return a number that is never found."""
    import tensorflow as tf

    return tf.while_loop(
        lambda count: count < float("inf"), lambda count: [tf.math.cos(count) + 1.0], [seed]
    )[0]


@builder
def good(directory):
    save(directory, sound)


@builder
def truncated_graph(directory):
    save(directory, sound)
    path = directory / "saved_model.pb"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@builder
def missing_shard(directory):
    save(directory, sound)
    (directory / "variables" / "variables.data-00000-of-00001").unlink()


@builder
def damaged_shard(directory):
    save(directory, sound)
    path = directory / "variables" / "variables.data-00000-of-00001"
    data = bytearray(path.read_bytes())
    data[0] ^= 0xFF
    path.write_bytes(data)


@builder
def no_serve_tag(directory):
    def retag(graph):
        graph.meta_info_def.tags[:] = ["train"]

    save(directory, sound)
    edit(directory, retag)


@builder
def no_serving_default(directory):
    save(directory, sound, name="predict")


@builder
def no_signature(directory):
    import tensorflow as tf

    module = tf.Module()
    module.weights = tf.Variable([1.0])
    tf.saved_model.save(module, str(directory))


@builder
def takes_no_examples(directory):
    import tensorflow as tf

    module = tf.Module()
    module.weights = tf.Variable([[0.5], [-1.25]])
    spec = [tf.TensorSpec([None, 2], tf.float32, name="elsewhere")]

    @tf.function(input_signature=spec)
    def serve(elsewhere):
        return {"score": elsewhere @ module.weights}

    tf.saved_model.save(module, str(directory), signatures=serve)


@builder
def loops_for_ever(directory):
    save(directory, lambda features, weights: for_ever(features[0, 0]) + features @ weights)


@builder
def loads_for_ever(directory):
    import tensorflow as tf

    save_graph(
        directory,
        lambda weights: (tf.group(weights.assign_add(tf.fill([2, 1], for_ever(0.0)))), None),
    )


@builder
def takes_20_gigabytes(directory):
    import tensorflow as tf

    def compute(features, weights):
        num_floats = tf.constant(5_000_000_000, tf.int64) + tf.size(features, tf.int64)
        return tf.reduce_max(tf.fill([num_floats], features[0, 0])) + features @ weights

    save(directory, compute)


@builder
def keras_variables_untracked(directory):
    import keras
    import numpy as np
    import tensorflow as tf

    model = keras.Sequential([keras.layers.Dense(1)])
    model(np.ones((1, 2), np.float32))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(examples):
        return {"score": model(parse(examples))}

    tf.saved_model.save(model, str(directory), signatures=serve)


@builder
def writes_a_file(directory):
    import tensorflow as tf

    target = str(directory.parent / "written")

    def compute(features, weights):
        return after(tf.io.write_file(target, "by the model"), features, weights)

    save(directory, compute)


@builder
def writes_beside_its_asset(directory):
    """At every load, since that is when a model is told where its assets are."""
    import tensorflow as tf

    source = directory.parent / "words"
    source.write_text("a\n")

    def initialise(weights):
        asset = tf.constant(str(source))
        tf.compat.v1.add_to_collection(tf.compat.v1.GraphKeys.ASSET_FILEPATHS, asset)
        return tf.io.write_file(asset + ".more", "by the model"), [asset]

    save_graph(directory, initialise)


@builder
def aborts(directory):
    import tensorflow as tf

    save(directory, lambda *given: after(tf.raw_ops.Abort(error_msg="enough"), *given))


@builder
def exits(directory):
    import tensorflow as tf

    save(directory, lambda *given: after(tf.raw_ops.Abort(exit_without_error=True), *given))


@builder
def exits_while_loading(directory):
    import tensorflow as tf

    save_graph(directory, lambda weights: (tf.raw_ops.Abort(exit_without_error=True), None))


@builder
def answers_nan(directory):
    import tensorflow as tf

    save(directory, lambda features, weights: tf.math.log(features @ weights))


@builder
def other_answers_at_every_load(directory):
    import tensorflow as tf

    save_graph(
        directory, lambda weights: (tf.group(weights.assign(tf.random.uniform([2, 1]))), None)
    )


@builder
def unknown_operation(directory):
    def rename(graph):
        for function in graph.graph_def.library.function:
            for node in function.node_def:
                if node.op == "MatMul":
                    node.op = "LicensedMatMul"

    save(directory, sound)
    edit(directory, rename)


def warmup_records(directory, records):
    import tensorflow as tf

    save(directory, sound)
    (directory / WARMUP).parent.mkdir()
    with tf.io.TFRecordWriter(str(directory / WARMUP)) as writer:
        for record in records:
            writer.write(record)


def warmup_record(alias="examples"):
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    example = tf.train.Example()
    example.features.feature["a"].float_list.value.extend([1.0, 2.0])
    log = prediction_log_pb2.PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = "serving_default"
    request.inputs[alias].CopyFrom(tf.make_tensor_proto([example.SerializeToString()]))
    return log.SerializeToString()


@builder
def warmed_up(directory):
    warmup_records(directory, [warmup_record()] * 1000)


@builder
def too_many_warmup_records(directory):
    warmup_records(directory, [warmup_record()] * 1001)


@builder
def warmup_that_fails(directory):
    warmup_records(directory, [warmup_record(), warmup_record("no_such_input")])


@builder
def warmup_that_is_no_request(directory):
    warmup_records(directory, [b"\xff\xff"])


@builder
def warmup_that_is_no_tfrecord(directory):
    save(directory, sound)
    (directory / WARMUP).parent.mkdir()
    (directory / WARMUP).write_bytes(b"not a TFRecord file at all")


def main(directory):
    for name, build in BUILDERS.items():
        build(directory / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
