"""Transform: one graph of preprocessing for training and for serving.

A user's module has either ``preprocessing_fn``, for tf.Transform on Beam, or
``preprocessing_layers``, Keras' layers that are adapted without it. What comes out is the same: a
graph that `tft.TFTransformOutput` and `components.transform.feature_transform` read.
"""

import importlib
import logging
import os
from typing import Any

__all__ = ["transform"]

# tensorflow_transform sets it when it is imported, and Keras would be two at once
os.environ.setdefault("TF_USE_LEGACY_KERAS", "0")
# it asks for Keras 2, which only its own layer needs, and says four lines of each dense feature
_NOISE = ("TF_USE_LEGACY_KERAS is set", "has a shape dim {")
logging.getLogger("absl").addFilter(
    lambda record: not any(text in record.getMessage() for text in _NOISE)
)


def __getattr__(name: str) -> Any:
    if name != "transform":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.transformation").transform
