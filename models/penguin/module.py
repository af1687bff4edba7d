"""Trains a small network that says which species a penguin is of."""

from typing import Any

import keras
import tensorflow as tf

SCALES = {
    "bill_length_mm": 44.0,
    "bill_depth_mm": 17.0,
    "flipper_length_mm": 200.0,
    "body_mass_g": 4200.0,
}
"""The four measurements, and what is usual of each: they are divided by it."""
LABEL = "species"
NUM_SPECIES = 3
BATCH_SIZE = 32


def parse(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
    """Return each measurement of `(batch,)` serialized examples, `(batch,)`."""
    spec = {name: tf.io.FixedLenFeature([], tf.float32) for name in SCALES}
    return tf.io.parse_example(serialized, spec)


def parse_label(serialized: tf.Tensor) -> tf.Tensor:
    """Return the species of serialized examples, `(batch,)`, int64."""
    spec = {LABEL: tf.io.FixedLenFeature([], tf.int64)}
    return tf.io.parse_example(serialized, spec)[LABEL]


def scaled(features: dict[str, tf.Tensor]) -> tf.Tensor:
    """Return what the network takes, `(batch, 4)`: how far each is from what is usual."""
    return tf.stack([features[name] / scale - 1 for name, scale in SCALES.items()], axis=1)


def read(patterns: list[str]) -> tf.data.Dataset:
    """Return shuffled batches of what the network takes, and species."""
    records = tf.data.TFRecordDataset(tf.io.gfile.glob(patterns), "GZIP")
    batches = records.shuffle(1000).batch(BATCH_SIZE)
    return batches.map(lambda batch: (scaled(parse(batch)), parse_label(batch)))


def run_fn(fn_args: Any) -> None:
    """Train and export; `fn_args` is TFX's `FnArgs`."""
    model = keras.Sequential(
        [
            keras.Input([len(SCALES)]),
            keras.layers.Dense(16, "relu"),
            keras.layers.Dense(NUM_SPECIES, "softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit(read(fn_args.train_files).repeat(), steps_per_epoch=fn_args.train_steps, verbose=0)
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serving_default",
        lambda examples: {"probabilities": model(scaled(parse(examples)))},
        [tf.TensorSpec([None], tf.string, "examples")],
    )
    archive.write_out(fn_args.serving_model_dir, verbose=False)
