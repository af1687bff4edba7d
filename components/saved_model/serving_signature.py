"""Builds what a server is asked by: signatures of serialized examples and of raw tensors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from components.errors import ConfigurationError

Answer = Callable[[Any], Any]
"""From the parsed features by name to an output, or outputs by name."""


@dataclass(frozen=True)
class ServingSignature:
    """A function to be traced with one argument."""

    answer: Answer
    input_spec: Any
    """A `tf.TensorSpec`, or a list or dict of them. Their names are the request's input names."""


def serialized_examples(
    answer: Answer, feature_spec: Mapping[str, Any], *, input_name: str = "examples"
) -> ServingSignature:
    """Return a signature that takes serialized `tf.Example`s, ``(batch,)``, string.

    Args:
        answer: from the parsed features by name to an output, or outputs by name.
        feature_spec: as for `tf.io.parse_example`; without the label, which isn't known then.
        input_name: of the request.
    """
    if not feature_spec:
        raise ConfigurationError("feature_spec is empty; expected the features that answer takes")

    def parse_and_answer(examples: Any) -> Any:
        return answer(tf.io.parse_example(examples, dict(feature_spec)))

    return ServingSignature(parse_and_answer, tf.TensorSpec([None], tf.string, input_name))


def raw_tensors(answer: Answer, features: Mapping[str, Any]) -> ServingSignature:
    """Return a signature that takes features as tensors by name.

    Args:
        answer: from the features by name to an output, or outputs by name.
        features: name → `tf.TensorSpec`, or a dtype, which stands for the shape ``(batch,)``.
    """
    if not features:
        raise ConfigurationError("features is empty; expected the features that answer takes")
    specs = {
        name: tf.TensorSpec(spec.shape, spec.dtype, name)
        if isinstance(spec, tf.TensorSpec)
        else tf.TensorSpec([None], spec, name)
        for name, spec in features.items()
    }
    return ServingSignature(answer, specs)


def trace(name: str, signature: Any) -> Any:
    """Return the `tf.function` to be saved as a signature, traced.

    Args:
        name: of the signature.
        signature: a `ServingSignature`, or a `tf.function` that has an input signature or one
            trace.

    Raises:
        ConfigurationError: something else, or a `tf.function` that was never traced.
    """
    if isinstance(signature, ServingSignature):
        return _function(signature)
    if not isinstance(signature, tf.types.experimental.PolymorphicFunction):
        raise ConfigurationError(
            f"the signature {name!r} is {signature!r}; expected serialized_examples(…), "
            "raw_tensors(…), or a tf.function with an input_signature"
        )
    traces = signature._list_all_concrete_functions()
    if signature.input_signature is None and len(traces) != 1:
        raise ConfigurationError(
            f"the tf.function of the signature {name!r} has {len(traces)} traces and no "
            "input_signature, so it isn't clear what it takes; give it an input_signature"
        )
    return signature if signature.input_signature is not None else traces[0]


def _function(signature: ServingSignature) -> Any:
    def answer(inputs: Any) -> dict[str, Any]:
        return named_outputs(signature.answer(inputs))

    return tf.function(answer, input_signature=[signature.input_spec], autograph=False)


def named_outputs(outputs: Any) -> dict[str, Any]:
    """Return outputs by name; as in Keras, those without are ``output_0``, ``output_1``, …."""
    if isinstance(outputs, Mapping):
        return dict(outputs)
    listed = outputs if isinstance(outputs, list | tuple) else [outputs]
    return {f"output_{index}": value for index, value in enumerate(listed)}
