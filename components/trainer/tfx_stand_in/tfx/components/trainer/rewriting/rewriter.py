"""What all rewriters have in common."""

import abc
import enum
from typing import Any, NamedTuple


class ModelType(enum.Enum):
    """The format of a model."""

    ANY_MODEL = 1
    SAVED_MODEL = 2
    TFLITE_MODEL = 3
    TFJS_MODEL = 4


class ModelDescription(NamedTuple):
    """A model's format and directory."""

    model_type: Any
    path: Any


class BaseRewriter(abc.ABC):
    """Checks a model, rewrites it, checks what came out. Users derive theirs from it."""

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """What it is called in messages."""

    @abc.abstractmethod
    def _pre_rewrite_validate(self, original_model: ModelDescription) -> None:
        """Check the original; raise ValueError."""

    @abc.abstractmethod
    def _rewrite(self, original_model: ModelDescription, rewritten_model: ModelDescription) -> None:
        """Write the new model; raise ValueError."""

    @abc.abstractmethod
    def _post_rewrite_validate(self, rewritten_model: ModelDescription) -> None:
        """Check the new model; raise ValueError."""

    def perform_rewrite(
        self, original_model: ModelDescription, rewritten_model: ModelDescription
    ) -> None:
        """Check, rewrite and check again.

        Raises:
            ValueError: naming the rewriter and the step that failed.
        """
        steps = (
            ("check the original", self._pre_rewrite_validate, (original_model,)),
            ("rewrite the model", self._rewrite, (original_model, rewritten_model)),
            ("check the rewritten model", self._post_rewrite_validate, (rewritten_model,)),
        )
        for what, step, models in steps:
            try:
                step(*models)
            except ValueError as error:
                raise ValueError(f"{self.name} couldn't {what}: {error}") from error
