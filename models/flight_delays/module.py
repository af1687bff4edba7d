"""Trains a wide and deep network that says how likely a flight is to arrive late.

`run_fn` is what the trainer calls, with TFX's `FnArgs`. The model is exported with two signatures:
``serving_default`` takes serialized `tf.Example`s under ``examples``, ``serving_raw`` takes the
features as tensors. Both answer ``probability``.

The day of the month is no feature on purpose. With it, a random split rewards a model for
remembering the weather of each day from the other flights of that day (AUC 0.76 within January),
which is worth nothing on the days to come (0.58 in February; without it 0.62).
"""

import sys
from typing import Any

import keras
import tensorflow as tf

LABEL = "is_late"
FEATURES = {
    "hour": tf.int64,
    "minute": tf.int64,
    "weekday": tf.int64,
    "sched_arr_time": tf.int64,
    "distance": tf.int64,
    "flight": tf.int64,
    "carrier": tf.string,
    "origin": tf.string,
    "dest": tf.string,
}
NUM_NUMBERS = 7
NUM_BUCKETS = {
    "hour": 24,
    "weekday": 7,
    "hour_of_week": 7 * 24,
    "carrier": 64,
    "origin": 8,
    "dest": 512,
    "route": 2048,
    "scheduled_flight": 16384,
}
DEFAULTS: dict[str, Any] = {
    "learning_rate": 0.005,
    "hidden_units": [32, 16],
    "embedding_dim": 4,
    "dropout": 0.1,
    "batch_size": 256,
    "epochs": 3,  # where the number of steps isn't given
    "seed": 0,
    "shuffle_labels": False,  # spoils the training, to see the model refused
}
SHUFFLE_BUFFER = 50_000


def preprocess(features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Turn raw features into what the network takes; part of the exported graph.

    Args:
        features: each `(batch,)`, as in `FEATURES`.

    Returns:
        ``numbers``, `(batch, NUM_NUMBERS)`, float32; and bucket numbers by name, `(batch,)`, int64.
        Text is hashed rather than looked up, so that a new destination needs no new vocabulary.
    """
    hour, weekday = features["hour"], features["weekday"]
    carrier, origin, dest = features["carrier"], features["origin"], features["dest"]
    text = {
        "carrier": carrier,
        "origin": origin,
        "dest": dest,
        "route": tf.strings.join([origin, dest], "-"),
        "scheduled_flight": tf.strings.join([carrier, tf.strings.as_string(features["flight"])]),
    }
    hashed = {
        name: tf.strings.to_hash_bucket_fast(value, NUM_BUCKETS[name])
        for name, value in text.items()
    }
    whole = {"hour": hour, "weekday": weekday, "hour_of_week": weekday * 24 + hour}
    counted = {
        name: tf.clip_by_value(value, 0, NUM_BUCKETS[name] - 1) for name, value in whole.items()
    }
    return {"numbers": _numbers(features), **counted, **hashed}


def _numbers(features: dict[str, tf.Tensor]) -> tf.Tensor:
    departure = tf.cast(features["hour"] * 60 + features["minute"], tf.float32) / 1440.0
    hhmm = features["sched_arr_time"]
    arrival = tf.cast(hhmm // 100 * 60 + hhmm % 100, tf.float32) / 1440.0
    distance = tf.cast(features["distance"], tf.float32)
    turn = 2.0 * 3.14159265
    columns = [
        2.0 * departure - 1.0,
        tf.sin(turn * departure),
        tf.cos(turn * departure),
        tf.sin(turn * arrival),
        tf.cos(turn * arrival),
        tf.math.log1p(tf.maximum(distance, 0.0)) - 6.7,
        distance / 1000.0 - 1.0,
    ]
    return tf.stack(columns, axis=1)


def build_model(hyperparameters: dict[str, Any]) -> keras.Model:
    """Return the network: one weight per bucket (wide), plus layers over embeddings (deep)."""
    numbers = keras.Input((NUM_NUMBERS,), name="numbers")
    buckets = {name: keras.Input((), dtype="int64", name=name) for name in NUM_BUCKETS}
    wide = [
        keras.layers.Embedding(size, 1, embeddings_initializer="zeros", name=f"{name}_weight")(
            buckets[name]
        )
        for name, size in NUM_BUCKETS.items()
    ]
    dim = hyperparameters["embedding_dim"]
    embedded = [
        keras.layers.Embedding(NUM_BUCKETS[name], dim, name=f"{name}_embedding")(buckets[name])
        for name in ("hour", "weekday", "carrier", "origin", "dest")
    ]
    deep = keras.layers.Concatenate()([numbers, *embedded])
    for units in hyperparameters["hidden_units"]:
        deep = keras.layers.Dense(units, activation="relu")(deep)
        deep = keras.layers.Dropout(hyperparameters["dropout"])(deep)
    logit = keras.layers.Add()([*wide, keras.layers.Dense(1)(deep)])
    probability = keras.layers.Activation("sigmoid", name="probability")(logit)
    return keras.Model({"numbers": numbers, **buckets}, probability)


def run_fn(fn_args: Any) -> None:
    """Train and export; `fn_args` is TFX's `FnArgs`.

    Hyperparameters are those of `DEFAULTS`. Without `train_steps` it trains for ``epochs``.
    """
    hyperparameters = read_hyperparameters(fn_args.hyperparameters)
    keras.utils.set_random_seed(hyperparameters["seed"])
    batch_size = hyperparameters["batch_size"]
    train = read_batches(fn_args.train_files, batch_size)
    num_steps = fn_args.train_steps or hyperparameters["epochs"] * count_batches(train)
    if num_steps == 0:
        raise ValueError(f"no examples in {fn_args.train_files}")
    model = build_model(hyperparameters)
    model.compile(
        keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(hyperparameters["learning_rate"], num_steps)
        ),
        loss=keras.losses.BinaryCrossentropy(),
        metrics=[keras.metrics.AUC(name="auc")],
    )
    model.fit(
        train_dataset(train, shuffle_labels=hyperparameters["shuffle_labels"]),
        steps_per_epoch=num_steps,
        verbose=0,
        shuffle=False,
    )
    evaluate(model, read_batches(fn_args.eval_files, batch_size), fn_args.eval_steps)
    export(model, fn_args.serving_model_dir)


def read_hyperparameters(config: dict[str, Any] | None) -> dict[str, Any]:
    """Return `DEFAULTS` with the values of a KerasTuner configuration put over them.

    Raises:
        ValueError: a name that this model doesn't know.
    """
    values = (config or {}).get("values", {})
    unknown = sorted(values.keys() - DEFAULTS.keys())
    if unknown:
        raise ValueError(f"unknown hyperparameters {unknown}; this model has {sorted(DEFAULTS)}")
    return {**DEFAULTS, **values}


def read_batches(patterns: list[str], batch_size: int) -> tf.data.Dataset:
    """Return batches of serialized examples, shuffled anew in each pass.

    Raises:
        FileNotFoundError: no file matches.
    """
    files = sorted(file for pattern in patterns for file in tf.io.gfile.glob(pattern))
    if not files:
        raise FileNotFoundError(f"no examples match {patterns}")
    records = tf.data.TFRecordDataset(files, compression_type="GZIP")
    return records.shuffle(SHUFFLE_BUFFER).batch(batch_size)


def count_batches(batches: tf.data.Dataset) -> int:
    """Return the number of batches in one pass."""
    return int(batches.reduce(tf.constant(0, tf.int64), lambda count, _: count + 1))


def train_dataset(batches: tf.data.Dataset, *, shuffle_labels: bool) -> tf.data.Dataset:
    """Return an endless dataset of what the network takes, and labels."""
    dataset = batches.repeat().map(parse, tf.data.AUTOTUNE, deterministic=True)
    if shuffle_labels:
        dataset = dataset.map(lambda inputs, labels: (inputs, tf.random.shuffle(labels)))
    return dataset.prefetch(tf.data.AUTOTUNE)


def parse(serialized: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """Turn `(batch,)` serialized examples into what the network takes, and labels `(batch,)`."""
    spec = {name: tf.io.FixedLenFeature([], dtype) for name, dtype in FEATURES.items()}
    parsed = tf.io.parse_example(serialized, {**spec, LABEL: tf.io.FixedLenFeature([], tf.int64)})
    labels = tf.cast(parsed.pop(LABEL), tf.float32)
    return preprocess(parsed), labels


def evaluate(model: keras.Model, batches: tf.data.Dataset, max_steps: int | None) -> None:
    """Print metrics on examples that weren't trained on; on all of them if `max_steps` is None."""
    num_steps = min(count_batches(batches), max_steps or sys.maxsize)
    if num_steps == 0:
        print("evaluation: no examples", flush=True)
        return
    dataset = batches.take(num_steps).map(parse, tf.data.AUTOTUNE)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(num_steps))
    print_metrics("evaluation", model.evaluate(dataset, verbose=0, return_dict=True))


def print_metrics(title: str, metrics: dict[str, Any]) -> None:
    """Print one line."""
    values = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
    print(f"{title}: {values}", flush=True)


def export(model: keras.Model, directory: str) -> None:
    """Write the SavedModel with its two signatures."""
    spec = {name: tf.io.FixedLenFeature([], dtype) for name, dtype in FEATURES.items()}

    def answer(features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        probability = model(preprocess(features), training=False)
        return {"probability": tf.squeeze(probability, axis=1)}

    def answer_examples(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return answer(tf.io.parse_example(examples, spec))

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serving_default",
        answer_examples,
        input_signature=[tf.TensorSpec([None], tf.string, name="examples")],
    )
    archive.add_endpoint(
        "serving_raw",
        answer,
        input_signature=[
            {name: tf.TensorSpec([None], dtype, name=name) for name, dtype in FEATURES.items()}
        ],
    )
    archive.write_out(directory, verbose=False)
