"""A module as it is written for TFX's Transform and Trainer: their taxi example's shape.

Nothing in it knows of this project: `test_dag_taxi` runs it as it stands.
"""

import tensorflow as tf
import tensorflow_transform as tft
from absl import logging
from tfx.components.trainer.fn_args_utils import DataAccessor, FnArgs
from tfx_bsl.tfxio import dataset_options

NUMBERS = ["trip_miles", "fare", "trip_seconds"]
WORDS = ["payment_type", "company"]
PLACES = ["pickup_latitude", "pickup_longitude", "dropoff_latitude", "dropoff_longitude"]
CATEGORIES = {"trip_start_hour": 24, "trip_start_day": 31, "trip_start_month": 13}
UNUSED = ["pickup_census_tract", "dropoff_community_area"]
LABEL = "tips"
NUM_BUCKETS, VOCABULARY_SIZE, NUM_UNKNOWN = 10, 1000, 10


def xf(name):
    return f"{name}_xf"


def _dense(values):
    if not isinstance(values, tf.sparse.SparseTensor):
        return values
    default = "" if values.dtype == tf.string else 0
    one_wide = tf.SparseTensor(values.indices, values.values, [values.dense_shape[0], 1])
    return tf.squeeze(tf.sparse.to_dense(one_wide, default), axis=1)


def preprocessing_fn(inputs):
    outputs = {}
    for name in NUMBERS:
        outputs[xf(name)] = tft.scale_to_z_score(_dense(inputs[name]))
    for name in WORDS:
        outputs[xf(name)] = tft.compute_and_apply_vocabulary(
            _dense(inputs[name]), top_k=VOCABULARY_SIZE, num_oov_buckets=NUM_UNKNOWN
        )
    for name in PLACES:
        outputs[xf(name)] = tft.bucketize(_dense(inputs[name]), NUM_BUCKETS)
    for name in [*CATEGORIES, *UNUSED]:
        outputs[xf(name)] = _dense(inputs[name])
    fare, tips = _dense(inputs["fare"]), _dense(inputs[LABEL])
    is_big = tf.cast(tips > fare * 0.2, tf.int64)
    outputs[xf(LABEL)] = tf.where(tf.math.is_nan(fare), tf.zeros_like(is_big), is_big)
    return outputs


def _signature(model, transform, *, with_label):
    layer = transform.transform_features_layer()
    setattr(model, "layer_for_evaluation" if with_label else "layer_for_serving", layer)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def answer(examples):
        spec = transform.raw_feature_spec()
        if not with_label:
            spec.pop(LABEL)
        features = layer(tf.io.parse_example(examples, spec))
        logging.info("transformed: %s", sorted(features))
        return features if with_label else {"outputs": model(features)}

    return answer


def _dataset(files: list[str], accessor: DataAccessor, transform: tft.TFTransformOutput):
    options = dataset_options.TensorFlowDatasetOptions(batch_size=40, label_key=xf(LABEL))
    return accessor.tf_dataset_factory(
        files, options, transform.transformed_metadata.schema
    ).repeat()


def _model() -> tf.keras.Model:
    sizes = {xf(name): VOCABULARY_SIZE + NUM_UNKNOWN for name in WORDS}
    sizes |= {xf(name): NUM_BUCKETS for name in PLACES}
    sizes |= {xf(name): size for name, size in CATEGORIES.items()}
    numbers = {
        xf(name): tf.keras.layers.Input(name=xf(name), shape=(1,), dtype=tf.float32)
        for name in NUMBERS
    }
    indices = {name: tf.keras.layers.Input(name=name, shape=(1,), dtype="int32") for name in sizes}
    deep = tf.keras.layers.concatenate(
        [tf.keras.layers.Normalization()(value) for value in numbers.values()]
    )
    for width in (32, 16):
        deep = tf.keras.layers.Dense(width)(deep)
    wide = tf.keras.layers.concatenate(
        [
            tf.keras.layers.CategoryEncoding(num_tokens=sizes[name])(value)
            for name, value in indices.items()
        ]
    )
    joined = tf.keras.layers.concatenate([deep, wide])
    output = tf.keras.layers.Dense(1, activation="sigmoid")(joined)
    output = tf.keras.layers.Reshape((1,))(output)
    model = tf.keras.Model([*numbers.values(), *indices.values()], output)
    model.compile(
        loss="binary_crossentropy",
        optimizer=tf.keras.optimizers.Adam(learning_rate=0.01),
        metrics=[tf.keras.metrics.BinaryAccuracy()],
    )
    model.summary(print_fn=logging.info)
    return model


def run_fn(fn_args: FnArgs):
    transform = tft.TFTransformOutput(fn_args.transform_output)
    train = _dataset(fn_args.train_files, fn_args.data_accessor, transform)
    evaluation = _dataset(fn_args.eval_files, fn_args.data_accessor, transform)
    with tf.distribute.MirroredStrategy().scope():
        model = _model()
    board = tf.keras.callbacks.TensorBoard(log_dir=fn_args.model_run_dir, update_freq="epoch")
    model.fit(
        train,
        steps_per_epoch=fn_args.train_steps,
        validation_data=evaluation,
        validation_steps=fn_args.eval_steps,
        callbacks=[board],
    )
    signatures = {
        "serving_default": _signature(model, transform, with_label=False),
        "transform_features": _signature(model, transform, with_label=True),
    }
    tf.saved_model.save(model, fn_args.serving_model_dir, signatures=signatures)
