"""tf.Transform: one graph of preprocessing for training and for serving."""

import importlib
from typing import Any

__all__ = ["transform"]


def __getattr__(name: str) -> Any:
    if name != "transform":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.transformation").transform
