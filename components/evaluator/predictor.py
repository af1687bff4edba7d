"""Asks a model for its predictions, in the session that TensorFlow Serving would run it in."""

from types import TracebackType
from typing import Any, Self

import numpy as np

from components.errors import InvalidModelError, PredictionError
from components.evaluator.eval_config import ModelSpec
from components.evaluator.exact_sum import Array
from components.saved_model.session import ServingSession, Signature

_USUAL_OUTPUTS = ("scores", "logistic", "predictions", "probabilities")
"""The outputs that TFMA tries, in this order, where there are several."""
_ROUNDING = 1e-6


class Predictor:
    """One model, loaded.

    Args:
        name: how messages call it, for instance ``the model``.
        directory: its SavedModel.
        spec: the signature and the output.

    Raises:
        InvalidModelError: no such signature, one that doesn't take serialized examples, or no
            output of that name.
    """

    def __init__(self, name: str, directory: Any, spec: ModelSpec) -> None:
        self._name = name
        self._session = ServingSession(directory)
        try:
            self._signature = self._session.signature(spec.signature_name)
            self._input = self._find_input(self._signature)
            self._output = self._find_output(self._signature, spec.prediction_key)
        except BaseException:
            self._session.close()
            raise

    def predict(self, serialized: Array) -> Array:
        """Return the predictions, `(num_examples,)`, float64; some may be NaN or infinite.

        Args:
            serialized: `(num_examples,)`, bytes.

        Raises:
            InvalidModelError: the model fails on these examples, or answers in another shape, or
                with something else than probabilities.
        """
        try:
            answer = self._session.run(
                self._signature.name, {self._input: serialized}, [self._output]
            )
        except PredictionError as error:
            raise InvalidModelError(f"{self._name} can't answer the examples: {error}") from error
        return self._checked(answer[self._output], len(serialized))

    def close(self) -> None:
        """Free the model."""
        self._session.close()

    def _find_input(self, signature: Signature) -> str:
        if not signature.takes_examples:
            inputs = {name: spec.dtype.name for name, spec in signature.inputs.items()}
            raise InvalidModelError(
                f"signature {signature.name!r} of {self._name} takes {inputs}; expected one vector "
                "of strings, serialized tf.Examples: name another signature_name in model_specs, "
                "or export one that parses them (signatures on plain tensors aren't supported yet)"
            )
        return next(iter(signature.inputs))

    def _find_output(self, signature: Signature, prediction_key: str) -> str:
        names = list(signature.outputs)
        if prediction_key in names:
            return prediction_key
        if not prediction_key:
            candidates = names if len(names) == 1 else [n for n in _USUAL_OUTPUTS if n in names]
            if candidates:
                return candidates[0]
        what = f"has no output {prediction_key!r}" if prediction_key else "has several outputs"
        raise InvalidModelError(
            f"signature {signature.name!r} of {self._name} {what}; it has {names}: name one as "
            "prediction_key in model_specs"
        )

    def _checked(self, answer: Array, size: int) -> Array:
        if answer.shape not in ((size,), (size, 1)) or answer.dtype.kind != "f":
            raise InvalidModelError(
                f"the output {self._output!r} of {self._name} has shape {answer.shape} and type "
                f"{answer.dtype} for {size} examples; binary metrics take one probability each, "
                f"so floats of shape ({size},) or ({size}, 1); other shapes aren't supported yet"
            )
        predictions = answer.reshape(size).astype(np.float64)
        outside = np.isfinite(predictions) & (np.abs(predictions - 0.5) > 0.5 + _ROUNDING)
        if outside.any():
            raise InvalidModelError(
                f"the output {self._output!r} of {self._name} is {predictions[outside][0]} for "
                "some examples; expected a probability from 0 to 1. If these are logits, export "
                "the model with a sigmoid, or name another output as prediction_key"
            )
        return predictions

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
