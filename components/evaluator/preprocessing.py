"""Labels and weights that a model's own signatures make of the examples, as TFMA has them.

Source: ``preprocessing_function_names`` of TFMA's ``ModelSpec``; a label that is among what they
make is taken from there, any other from the examples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from components.errors import InvalidModelError, PredictionError
from components.evaluator.exact_sum import Array
from components.evaluator.example_parser import ExampleBatch
from components.evaluator.feature_value import Place, Values
from components.evaluator.model_spec import ModelSpec
from components.saved_model.session import ServingSession


@dataclass(frozen=True)
class Preprocessing:
    """What of the labels and weights one model makes.

    Attributes:
        title: how messages call the model.
        labels: feature → the signature that makes it.
        weights: likewise.
    """

    title: str
    labels: Mapping[str, str]
    weights: Mapping[str, str]

    @property
    def features(self) -> frozenset[str]:
        """All features that needn't be in the examples."""
        return frozenset({*self.labels, *self.weights})

    def complete(self, batch: ExampleBatch, session: ServingSession) -> ExampleBatch:
        """Return the batch with these labels and weights.

        Args:
            batch: with the serialized examples.
            session: of the model.

        Raises:
            InvalidModelError: the model fails on these examples, or answers in another shape.
            DataError: what it makes are no labels or weights: text, or not finite.
        """
        if not self.features:
            return batch
        place = Place(batch.start, batch.size)
        made = {
            name: self._values(name, function, batch, session)
            for name, function in {**self.labels, **self.weights}.items()
        }
        return replace(
            batch,
            labels={**batch.labels, **{n: place.labels(n, made[n]) for n in self.labels}},
            weights={**batch.weights, **{n: place.weights(n, made[n]) for n in self.weights}},
        )

    def _values(
        self, name: str, function: str, batch: ExampleBatch, session: ServingSession
    ) -> Values:
        feeds: dict[str, Array | None] = {
            next(iter(session.signature(function).inputs)): batch.serialized
        }
        try:
            values: Any = session.run(function, feeds, [name])[name]
        except PredictionError as error:
            raise InvalidModelError(
                f"the preprocessing function {function!r} of {self.title} can't take the "
                f"examples: {error}"
            ) from error
        if values.ndim not in (1, 2) or values.shape[0] != batch.size:
            raise InvalidModelError(
                f"the preprocessing function {function!r} of {self.title} gives {name!r} of shape "
                f"{values.shape} for {batch.size} examples; expected one value, or a row, for each"
            )
        rows = values.reshape(batch.size, -1)
        return Values(np.arange(batch.size + 1) * rows.shape[1], rows.ravel())


def find_preprocessing(
    title: str, session: ServingSession, spec: ModelSpec, outputs: Sequence[str]
) -> Preprocessing:
    """Return what of the labels and weights the functions of a model's spec make.

    Raises:
        InvalidModelError: no such signature, or it doesn't take serialized examples.
    """
    makers: dict[str, str] = {}
    for name in spec.preprocessing_function_names:
        if name not in session.signatures:
            raise InvalidModelError(
                f"{title} has no signature {name!r}, which the eval config names in "
                f"preprocessing_function_names; it has {sorted(session.signatures)}"
            )
        signature = session.signature(name)
        if not signature.takes_examples:
            raise InvalidModelError(
                f"the signature {name!r} of {title} doesn't take serialized tf.Examples, as a "
                "preprocessing function must"
            )
        makers.update(dict.fromkeys(signature.outputs, name))
    labels = {spec.label_of(output) for output in outputs} & makers.keys()
    weights = {spec.weight_of(output) for output in outputs} & makers.keys()
    return Preprocessing(
        title, {n: makers[n] for n in sorted(labels)}, {n: makers[n] for n in sorted(weights)}
    )
