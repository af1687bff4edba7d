"""Trains a wide and deep network that says how likely a flight is to arrive late.

`run_fn` is what the trainer calls, with TFX's `FnArgs`. The model is exported with two signatures:
``serving_default`` takes serialized `tf.Example`s under ``examples``, ``serving_raw`` takes the
features as tensors. Both answer ``probability``, and both hold the transform graph that the
training reads its examples through: see ``preprocessing.py``.

The day of the month is no feature on purpose. With it, a random split rewards a model for
remembering the weather of each day from the other flights of that day (AUC 0.76 within January),
which is worth nothing on the days to come (0.58 in February; without it 0.62).
"""

import sys
from typing import Any

import keras
import tensorflow as tf

from components.transform.feature_transform import FeatureTransform

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
NUMBERS = "numbers"
EMBEDDED = ("hour", "weekday", "carrier", "origin", "dest")
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
NUM_TRIALS = 10


def build_model(transform: FeatureTransform, hyperparameters: dict[str, Any]) -> keras.Model:
    """Return the network: one weight per index (wide), plus layers over embeddings (deep).

    Args:
        transform: says how many values each index has.
        hyperparameters: those of `DEFAULTS`.
    """
    shapes = {name: spec.shape for name, spec in transform.feature_spec().items() if name != LABEL}
    numbers = keras.Input(shapes.pop(NUMBERS), name=NUMBERS)
    indices = {name: keras.Input(shape, dtype="int64", name=name) for name, shape in shapes.items()}

    def embed(name: str, dim: int, title: str, initializer: str) -> Any:
        layer = keras.layers.Embedding(
            transform.num_values(name), dim, initializer, name=f"{name}_{title}"
        )
        return keras.layers.Flatten()(layer(indices[name]))

    wide = [embed(name, 1, "weight", "zeros") for name in indices]
    dim = hyperparameters["embedding_dim"]
    embedded = [embed(name, dim, "embedding", "uniform") for name in EMBEDDED]
    deep = keras.layers.Concatenate()([numbers, *embedded])
    for units in hyperparameters["hidden_units"]:
        deep = keras.layers.Dense(units, activation="relu")(deep)
        deep = keras.layers.Dropout(hyperparameters["dropout"])(deep)
    logit = keras.layers.Add()([*wide, keras.layers.Dense(1)(deep)])
    probability = keras.layers.Activation("sigmoid", name="probability")(logit)
    return keras.Model({NUMBERS: numbers, **indices}, probability)


def compiled_model(
    transform: FeatureTransform, hyperparameters: dict[str, Any], num_steps: int
) -> keras.Model:
    """Return the network, to be trained for so many steps."""
    model = build_model(transform, hyperparameters)
    model.compile(
        keras.optimizers.Adam(
            keras.optimizers.schedules.CosineDecay(hyperparameters["learning_rate"], num_steps)
        ),
        loss=keras.losses.BinaryCrossentropy(),
        metrics=[keras.metrics.AUC(name="auc")],
    )
    return model


def run_fn(fn_args: Any) -> None:
    """Train and export; `fn_args` is TFX's `FnArgs`.

    Hyperparameters are those of `DEFAULTS`. Without `train_steps` it trains for ``epochs``.
    """
    hyperparameters = read_hyperparameters(fn_args.hyperparameters)
    keras.utils.set_random_seed(hyperparameters["seed"])
    batch_size = hyperparameters["batch_size"]
    transform = FeatureTransform(fn_args.transform_graph_path)
    train = read_batches(fn_args.train_files, batch_size)
    num_steps = fn_args.train_steps or hyperparameters["epochs"] * count_batches(train)
    if num_steps == 0:
        raise ValueError(f"no examples in {fn_args.train_files}")
    model = compiled_model(transform, hyperparameters, num_steps)
    model.fit(
        train_dataset(train, transform, shuffle_labels=hyperparameters["shuffle_labels"]),
        steps_per_epoch=num_steps,
        verbose=0,
        shuffle=False,
    )
    evaluate(model, transform, read_batches(fn_args.eval_files, batch_size), fn_args.eval_steps)
    export(model, transform, fn_args.serving_model_dir)


def tuner_fn(fn_args: Any) -> Any:
    """Return what to search, and how: TFX's `TunerFnResult`; `fn_args` is TFX's `FnArgs`."""
    import keras_tuner
    from tfx.v1.components import TunerFnResult

    batch_size = DEFAULTS["batch_size"]
    transform = FeatureTransform(fn_args.transform_graph_path)
    train = read_batches(fn_args.train_files, batch_size)
    num_steps = fn_args.train_steps or DEFAULTS["epochs"] * count_batches(train)

    def build(chosen: keras_tuner.HyperParameters) -> keras.Model:
        values = {
            "learning_rate": chosen.Float("learning_rate", 5e-4, 2e-2, sampling="log"),
            "embedding_dim": chosen.Int("embedding_dim", 2, 8, step=2),
            "dropout": chosen.Float("dropout", 0.0, 0.4, step=0.1),
        }
        return compiled_model(transform, {**DEFAULTS, **values}, num_steps)

    tuner = keras_tuner.RandomSearch(
        build,
        keras_tuner.Objective("val_auc", "max"),
        max_trials=NUM_TRIALS,
        directory=fn_args.working_dir,
    )
    fit_kwargs = {
        "x": train_dataset(train, transform, shuffle_labels=False),
        "steps_per_epoch": num_steps,
        "validation_data": transformed(read_batches(fn_args.eval_files, batch_size), transform),
        "validation_steps": fn_args.eval_steps,
    }
    return TunerFnResult(tuner, fit_kwargs)


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


def train_dataset(
    batches: tf.data.Dataset, transform: FeatureTransform, *, shuffle_labels: bool
) -> tf.data.Dataset:
    """Return an endless dataset of what the network takes, and labels."""
    dataset = transformed(batches.repeat(), transform)
    if shuffle_labels:
        dataset = dataset.map(lambda inputs, labels: (inputs, tf.random.shuffle(labels)))
    return dataset.prefetch(tf.data.AUTOTUNE)


def transformed(batches: tf.data.Dataset, transform: FeatureTransform) -> tf.data.Dataset:
    """Turn `(batch,)` serialized examples into what the network takes, and labels `(batch, 1)`."""
    spec = transform.raw_feature_spec()
    spec = {name: spec[name] for name in (*FEATURES, LABEL)}

    def parse(serialized: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        inputs = transform(tf.io.parse_example(serialized, spec))
        return inputs, tf.cast(inputs.pop(LABEL), tf.float32)

    return batches.map(parse, tf.data.AUTOTUNE, deterministic=True)


def evaluate(
    model: keras.Model,
    transform: FeatureTransform,
    batches: tf.data.Dataset,
    max_steps: int | None,
) -> None:
    """Print metrics on examples that weren't trained on; on all of them if `max_steps` is None."""
    num_steps = min(count_batches(batches), max_steps or sys.maxsize)
    if num_steps == 0:
        print("evaluation: no examples", flush=True)
        return
    dataset = transformed(batches.take(num_steps), transform)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(num_steps))
    print_metrics("evaluation", model.evaluate(dataset, verbose=0, return_dict=True))


def print_metrics(title: str, metrics: dict[str, Any]) -> None:
    """Print one line."""
    values = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
    print(f"{title}: {values}", flush=True)


def export(model: keras.Model, transform: FeatureTransform, directory: str) -> None:
    """Write the SavedModel with its two signatures; the transform graph is part of both."""
    spec = {name: transform.raw_feature_spec()[name] for name in FEATURES}

    def answer(features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        probability = model(transform(features), training=False)
        return {"probability": tf.squeeze(probability, axis=1)}

    def answer_examples(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return answer(tf.io.parse_example(examples, spec))

    def answer_tensors(features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return answer({name: tf.expand_dims(value, 1) for name, value in features.items()})

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.track(transform)
    archive.add_endpoint(
        "serving_default",
        answer_examples,
        input_signature=[tf.TensorSpec([None], tf.string, name="examples")],
    )
    archive.add_endpoint(
        "serving_raw",
        answer_tensors,
        input_signature=[
            {name: tf.TensorSpec([None], dtype, name=name) for name, dtype in FEATURES.items()}
        ],
    )
    archive.write_out(directory, verbose=False)
