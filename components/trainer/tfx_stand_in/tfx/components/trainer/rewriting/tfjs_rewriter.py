"""Rewrites a SavedModel for TensorFlow.js."""

import os

from tensorflowjs.converters import converter

from tfx.components.trainer.rewriting.rewriter import BaseRewriter, ModelDescription, ModelType


class TFJSRewriter(BaseRewriter):
    """Converts by the package tensorflowjs, which must be installed.

    Args:
        name: for messages.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self._name

    def _pre_rewrite_validate(self, original_model: ModelDescription) -> None:
        if original_model.model_type != ModelType.SAVED_MODEL:
            raise ValueError(f"the original is {original_model.model_type}; expected SAVED_MODEL")

    def _rewrite(self, original_model: ModelDescription, rewritten_model: ModelDescription) -> None:
        if rewritten_model.model_type not in (ModelType.TFJS_MODEL, ModelType.ANY_MODEL):
            raise ValueError(f"{rewritten_model.model_type} was asked for; expected TFJS_MODEL")
        flags = ["--input_format=tf_saved_model", "--saved_model_tags=serve"]
        paths = [os.fsdecode(original_model.path), os.fsdecode(rewritten_model.path)]
        converter.convert([*flags, "--signature_name=serving_default", *paths])

    def _post_rewrite_validate(self, rewritten_model: ModelDescription) -> None:
        if not os.path.isfile(os.path.join(os.fsdecode(rewritten_model.path), "model.json")):
            raise ValueError(f"no model.json was written to {rewritten_model.path!r}")
