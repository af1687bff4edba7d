"""A model that multiplies: its answer is ``factor`` · the feature ``score``."""

import time
from pathlib import Path

import tensorflow as tf


class Multiplier(tf.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = tf.Variable(factor, dtype=tf.float32)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(self, examples):
        spec = {"score": tf.io.FixedLenFeature([], tf.float32)}
        return {"probability": self.factor * tf.io.parse_example(examples, spec)["score"]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="score")])
    def serve_raw(self, score):
        return {"probability": self.factor * score}


def run_fn(fn_args):
    given = fn_args.hyperparameters["values"]
    if given["wait_for"]:
        print("the training waits", flush=True)
        while Path(given["wait_for"]).exists():
            time.sleep(0.1)
    model = Multiplier(given["factor"])
    signatures = {"serving_default": model.serve, "serving_raw": model.serve_raw}
    tf.saved_model.save(model, fn_args.serving_model_dir, signatures)
