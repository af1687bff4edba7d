"""Cuts a piece out of a trained Keras model, to share it without the rest."""

from collections.abc import Sequence
from typing import Any

import keras

from components.errors import ConfigurationError

Names = str | Sequence[str]


def piece(model: Any, *, inputs: Names | None = None, outputs: Names, name: str = "piece") -> Any:
    """Return the part of a model between some layers. It shares the model's weights.

    What the seed of this in Keras 2 was, `layer.get_output_at(0)`, is gone from Keras 3.

    Args:
        model: a functional or sequential Keras model.
        inputs: the layer whose *output* the piece takes, or several; None means what the model
            takes.
        outputs: the layer whose output the piece gives, or several.
        name: of the piece.

    Raises:
        ConfigurationError: not such a model, no such layer, or the outputs need more than these
            inputs.
    """
    if not getattr(model, "inputs", None):
        raise ConfigurationError(
            f"{getattr(model, 'name', model)!r} isn't a functional or sequential Keras model that "
            "was built, so there are no layers to cut at; build the piece first and the full model "
            "around it"
        )
    given = _input(model) if inputs is None else _outputs_of(model, inputs)
    wanted = _outputs_of(model, outputs)
    try:
        return keras.Model(given, wanted, name=name)
    except ValueError as error:
        start = "the model's inputs" if inputs is None else f"the layers {inputs!r}"
        raise ConfigurationError(
            f"the output of the layers {outputs!r} can't be computed from {start} alone: {error}; "
            "name all layers that lie before it, or earlier ones"
        ) from error


def _input(model: Any) -> Any:
    return model.inputs[0] if isinstance(model, keras.Sequential) else model.input


def _outputs_of(model: Any, names: Names) -> Any:
    if isinstance(names, str):
        return _output_of(model, names)
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ConfigurationError(f"{names!r} names no layer; expected the name of one, or several")
    if not names:
        raise ConfigurationError("no layer is named; expected the name of one, or several")
    return [_output_of(model, name) for name in names]


def _output_of(model: Any, name: str) -> Any:
    layers = {layer.name: layer for layer in model.layers}
    if name not in layers:
        raise ConfigurationError(
            f"the model {model.name!r} has no layer {name!r}{_nested_hint(model, name)}; it has "
            f"{', '.join(map(repr, layers))}"
        )
    # The first call of it in this model: what get_output_at(0) was. Others belong to other models,
    # or to what this one was before its input was known.
    graph = getattr(model, "_functional", None) or model
    ours = {id(node) for nodes in graph._nodes_by_depth.values() for node in nodes}
    calls = layers[name]._inbound_nodes
    outputs = next((call for call in calls if id(call) in ours), calls[0]).output_tensors
    return outputs[0] if len(outputs) == 1 else list(outputs)


def _nested_hint(model: Any, name: str) -> str:
    for layer in model.layers:
        nested = {inner.name for inner in getattr(layer, "layers", [])}
        if name in nested:
            return f" (it is inside {layer.name!r}: cut the piece out of that one)"
    return ""
