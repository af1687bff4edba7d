"""Rewrites a SavedModel on disk."""

from typing import Any

from components.trainer import absent_module
from tfx.components.trainer.rewriting.rewriter import ModelDescription, ModelType


def rewrite_saved_model(
    source_path: str,
    destination_path: str,
    rewriter_inst: Any,
    rewritten_model_type: ModelType = ModelType.ANY_MODEL,
) -> None:
    """Have a rewriter write a model in another format.

    Args:
        source_path: of the SavedModel.
        destination_path: another directory.
        rewriter_inst: from `rewriter_factory.create_rewriter`.
        rewritten_model_type: the format that is wanted.

    Raises:
        ValueError: both paths are the same, or the rewriter failed.
    """
    if source_path == destination_path:
        raise ValueError(f"source and destination are both {source_path!r}; give two directories")
    rewriter_inst.perform_rewrite(
        ModelDescription(ModelType.SAVED_MODEL, source_path),
        ModelDescription(rewritten_model_type, destination_path),
    )


__getattr__ = absent_module.attributes(__name__)
