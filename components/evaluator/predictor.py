"""Asks a model for its predictions, in the session that TensorFlow Serving would run it in."""

import functools
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np

from components.errors import InvalidModelError, PredictionError
from components.evaluator.exact_sum import Array
from components.evaluator.example_parser import ExampleBatch
from components.evaluator.input_feature import InputFeature
from components.evaluator.model_spec import ModelSpec
from components.evaluator.preprocessing import Preprocessing, find_preprocessing
from components.saved_model.session import ServingSession, Signature

_USUAL_OUTPUTS = ("scores", "logistic", "predictions", "probabilities")
"""The outputs that TFMA tries, in this order, where there are several."""


class Predictor:
    """One model, loaded.

    Args:
        name: how messages call it, for instance ``the model``.
        directory: its SavedModel.
        spec: the signature and the outputs.
        outputs: which outputs are measured; ``""`` is the only one.

    Raises:
        InvalidModelError: no such signature, an input that examples can't feed, or no output of
            that name.
    """

    def __init__(
        self, name: str, directory: Any, spec: ModelSpec, outputs: Sequence[str] = ("",)
    ) -> None:
        self.name = name
        self._spec, self._measured = spec, tuple(outputs)
        self._session = ServingSession(directory)
        try:
            self._signature = self._session.signature(spec.signature_name)
            self.inputs = self._find_inputs(self._signature)
            self._outputs = {
                output: self._find_output(self._signature, spec.prediction_of(output))
                for output in outputs
            }
        except BaseException:
            self._session.close()
            raise

    def predict(self, batch: ExampleBatch) -> dict[str, Array]:
        """Return the predictions by output; some may be NaN or infinite.

        Each is float64, `(num_examples,)`, or `(num_examples, num_classes)` with several classes.

        Args:
            batch: examples with `self.inputs`, or serialized if there are none.

        Raises:
            InvalidModelError: the model fails on these examples, or answers in another shape, or
                with something else than floats.
        """
        feeds: dict[str, Array | None]
        if self.inputs:
            feeds = {feature.name: batch.inputs[feature] for feature in self.inputs}
        else:
            feeds = {next(iter(self._signature.inputs)): batch.serialized}
        try:
            answer = self._session.run(
                self._signature.name, feeds, list(dict.fromkeys(self._outputs.values()))
            )
        except PredictionError as error:
            raise InvalidModelError(f"{self.name} can't answer the examples: {error}") from error
        return {
            output: self._checked(answer[alias], alias, batch.size)
            for output, alias in self._outputs.items()
        }

    @functools.cached_property
    def preprocessing(self) -> Preprocessing:
        """What of the labels and weights the model makes itself.

        Raises:
            InvalidModelError: it hasn't got the functions that its spec names.
        """
        return find_preprocessing(self.name, self._session, self._spec, self._measured)

    def complete(self, batch: ExampleBatch) -> ExampleBatch:
        """Return the batch with the labels and weights that the model makes; see `Preprocessing`.

        Raises:
            InvalidModelError: the model fails on these examples.
            DataError: what it makes are no labels or weights.
        """
        return self.preprocessing.complete(batch, self._session)

    def close(self) -> None:
        """Free the model."""
        self._session.close()

    def _find_inputs(self, signature: Signature) -> tuple[InputFeature, ...]:
        """Return the features to feed; none where the model parses the examples itself."""
        if signature.takes_examples:
            return ()
        features = []
        for name, spec in signature.inputs.items():
            if not spec.tensor_name or spec.shape is None or not spec.shape:
                raise InvalidModelError(
                    f"signature {signature.name!r} of {self.name} takes {name!r} as a ragged or "
                    "sparse tensor, or one without a batch dimension, which TensorFlow Serving "
                    "can't be sent either; export a signature that takes serialized tf.Examples, "
                    "and name it as signature_name in model_specs"
                )
            features.append(InputFeature(name, spec.dtype.name, spec.shape[1:]))
        return tuple(features)

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
            f"signature {signature.name!r} of {self.name} {what}; it has {names}: name one as "
            "prediction_key in model_specs"
        )

    def _checked(self, answer: Array, alias: str, size: int) -> Array:
        fits = answer.ndim in (1, 2) and answer.shape[0] == size and answer.shape[-1] > 0
        if not fits or answer.dtype.kind != "f":
            raise InvalidModelError(
                f"the output {alias!r} of {self.name} has shape {answer.shape} and type "
                f"{answer.dtype} for {size} examples; expected floats of shape ({size},), or "
                f"({size}, number of classes)"
            )
        if answer.ndim == 2 and answer.shape[1] == 1:
            answer = answer[:, 0]
        return answer.astype(np.float64)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
