"""Runs a user's ``run_fn`` in a child process and checks that a servable SavedModel came out.

::

    <output_dir>/
      record.json            the Model; its uri is Format-Serving
      Format-Serving/        what run_fn wrote to fn_args.serving_model_dir
      Format-TFMA/           what it wrote to fn_args.eval_model_dir, if anything
      model_run/             what it wrote to fn_args.model_run_dir: checkpoints, TensorBoard logs
      training.json, progress.jsonl, training_curves.svg      see `components.trainer.report`

The calling process imports neither TensorFlow nor the user's module.
"""

import importlib
from typing import Any

__all__ = ["train"]


def __getattr__(name: str) -> Any:
    """Import `train` when it is asked for: the process that trains doesn't need what it does."""
    if name != "train":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.training").train
