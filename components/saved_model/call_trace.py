"""Traces calls in both training modes, and finds the variables that traces use."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from components.errors import ConfigurationError
from components.saved_model.training_argument import RESERVED_NAMES

_SCALAR = tf.TensorSpec([], tf.float32)


def trace_modes(compute: Callable[..., Any], spec: Any, defaults: Mapping[str, float]) -> Any:
    """Return ``call(inputs, training=False, …)`` as a `tf.function`, traced in both modes.

    Args:
        compute: from the inputs, ``training`` and the other arguments by name to the outputs.
        spec: of the inputs.
        defaults: of the other arguments, which are float32 scalars.
    """
    ordinary = inspect.Parameter.POSITIONAL_OR_KEYWORD
    optional = {"training": False, **defaults}
    signature = inspect.Signature(
        [
            inspect.Parameter("inputs", ordinary),
            *(inspect.Parameter(name, ordinary, default=value) for name, value in optional.items()),
        ]
    )

    def call(*given: Any, **named: Any) -> Any:
        bound = signature.bind(*given, **named)
        bound.apply_defaults()
        return compute(**bound.arguments)

    call.__signature__ = signature  # type: ignore[attr-defined]
    function = tf.function(call, autograph=False)
    values = dict.fromkeys(defaults, _SCALAR)
    for training in (False, True):
        function.get_concrete_function(_unnamed(spec), training=training, **values)
    return function


def _unnamed(spec: Any) -> Any:
    """Return specs without names: a trace for a named tensor isn't found for another."""
    return tf.nest.map_structure(
        lambda item: (
            tf.TensorSpec(item.shape, item.dtype) if isinstance(item, tf.TensorSpec) else item
        ),
        spec,
    )


def traced(model: Any, input_spec: Any) -> Any:
    """Return the call of an object or function as a `tf.function` that has its traces.

    Args:
        model: an object with a ``__call__``, or a function.
        input_spec: what to trace it with, in both modes where it has an argument ``training``; None
            leaves it at the traces that it has.

    Raises:
        ConfigurationError: it has neither traces nor an input signature.
    """
    polymorphic = tf.types.experimental.PolymorphicFunction
    is_plain = inspect.isfunction(model) or inspect.ismethod(model)
    function = model if isinstance(model, polymorphic) or is_plain else model.__call__
    if not isinstance(function, polymorphic):
        function = tf.function(function)
    if input_spec is None:
        if function.input_signature is None and not function._list_all_concrete_functions():
            raise ConfigurationError(
                f"{type(model).__name__} was never traced, so it isn't known what it takes; give "
                "input_spec, for instance tf.TensorSpec([None, 8], tf.float32)"
            )
        return function
    parameters = inspect.signature(function.python_function).parameters
    values = dict.fromkeys(defaults_of(function), _SCALAR)
    modes = [{"training": mode} for mode in (False, True)] if "training" in parameters else [{}]
    for mode in modes:
        function.get_concrete_function(_unnamed(input_spec), **mode, **values)
    return function


def defaults_of(function: Any) -> dict[str, float]:
    """Return the arguments of a function that have a number as default."""
    return {
        name: parameter.default
        for name, parameter in inspect.signature(function.python_function).parameters.items()
        if isinstance(parameter.default, float) and name not in RESERVED_NAMES
    }


def with_captured(variables: Sequence[Any], *functions: Any) -> list[Any]:
    """Return variables, and after them those that only the traces of functions know."""
    # A trace reads the replicas of a distributed variable; they are saved as that one.
    replicas = [replica for variable in variables for replica in getattr(variable, "values", ())]
    known = {id(variable) for variable in (*variables, *replicas)}
    found = list(variables)
    for function in functions:
        for variable in _captured_variables(function):
            if id(variable) not in known:
                known.add(id(variable))
                found.append(variable)
    return found


def _captured_variables(function: Any) -> Iterator[Any]:
    """Yield the `tf.Variable`s that a `tf.function` reads or writes, in any of its traces."""
    if not hasattr(function, "_list_all_concrete_functions"):
        traces = [function]
    elif function.input_signature is not None:
        traces = [function.get_concrete_function()]
    else:
        traces = function._list_all_concrete_functions()
    for concrete in traces:
        yield from map(plain_variable, concrete.variables)


def plain_variable(variable: Any) -> Any:
    """Return the `tf.Variable` of a Keras variable."""
    return variable.value if isinstance(variable, keras.Variable) else variable
