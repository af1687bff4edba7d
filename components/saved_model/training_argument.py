"""Numbers of a Keras model's training, such as a dropout rate, as arguments of the exported call.

A layer reads its rate as a Python number, so an export would freeze it. While a call is traced, the
number is replaced by the argument's tensor; layers that compare it in Python are called in another
way that gives the same result.
"""

import fnmatch
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from components.errors import ConfigurationError

RESERVED_NAMES = ("inputs", "training", "self")


@dataclass(frozen=True)
class TrainingArgument:
    """One optional argument of ``__call__``, and the layers' attributes that it stands for."""

    name: str
    default: float
    attributes: tuple[tuple[Any, str], ...]
    """Layer and attribute."""

    @property
    def targets(self) -> list[str]:
        """``layer.attribute`` of each."""
        return [f"{layer.name}.{attribute}" for layer, attribute in self.attributes]


def find_training_arguments(
    model: Any, hyperparameters: Mapping[str, str | Sequence[str]]
) -> list[TrainingArgument]:
    """Find what each argument stands for.

    Args:
        model: a Keras model or layer.
        hyperparameters: argument → ``layer.attribute`` or several; in a layer's name ``*`` stands
            for anything: ``{"dropout_rate": "dropout*.rate"}``.

    Raises:
        ConfigurationError: a name that can't be an argument's, no such layer or attribute, one that
            isn't a number, or several with different values.
    """
    return [
        _find(model, name, [targets] if isinstance(targets, str) else list(targets))
        for name, targets in hyperparameters.items()
    ]


def _find(model: Any, name: str, targets: Sequence[str]) -> TrainingArgument:
    if not name.isidentifier() or name in RESERVED_NAMES:
        raise ConfigurationError(
            f"hyperparameters has {name!r}; expected a name that an argument can have, other than "
            f"{', '.join(RESERVED_NAMES)}"
        )
    layers = [model, *getattr(model, "_flatten_layers", lambda **_: [])(include_self=False)]
    found = [pair for target in targets for pair in _match(layers, name, target)]
    values = {float(getattr(layer, attribute)) for layer, attribute in found}
    if len(values) != 1:
        listed = ", ".join(f"{lay.name}.{attr}={getattr(lay, attr)}" for lay, attr in found)
        raise ConfigurationError(
            f"the hyperparameter {name!r} stands for attributes with different values ({listed}), "
            "so it has no default; give each an argument of its own"
        )
    return TrainingArgument(name, values.pop(), tuple(found))


def _match(layers: Sequence[Any], name: str, target: str) -> list[tuple[Any, str]]:
    pattern, _, attribute = target.rpartition(".")
    named = [layer for layer in layers if fnmatch.fnmatchcase(layer.name, pattern)]
    found = [(layer, attribute) for layer in named if _is_number(getattr(layer, attribute, None))]
    if not found:
        known = ", ".join(sorted({layer.name for layer in layers}))
        problem = f"no number {attribute!r}" if named else "no such layer"
        raise ConfigurationError(
            f"the hyperparameter {name!r} stands for {target!r}, but there is {problem}; expected "
            f"'layer.attribute', for instance 'dropout.rate', with a layer of: {known}"
        )
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@contextmanager
def substituted(arguments: Sequence[TrainingArgument], values: Mapping[str, Any]) -> Iterator[None]:
    """While the block is traced, let the layers use tensors instead of their numbers.

    Args:
        arguments: what `find_training_arguments` found.
        values: argument → float32 scalar.
    """
    with ExitStack() as stack:
        for argument in arguments:
            for layer, attribute in argument.attributes:
                stack.enter_context(_substitute(layer, attribute, values[argument.name]))
        yield


@contextmanager
def _substitute(layer: Any, attribute: str, value: Any) -> Iterator[None]:
    call = _call_with(layer, attribute, value)
    attribute, replacement = (attribute, value) if call is None else ("call", call)
    own = vars(layer)
    had, before = attribute in own, own.get(attribute)
    own[attribute] = replacement
    try:
        yield
    finally:
        if had:
            own[attribute] = before
        else:
            del own[attribute]


def _call_with(layer: Any, attribute: str, value: Any) -> Callable[..., Any] | None:
    """Return a layer's ``call`` with a tensor in place of a number that it compares in Python."""
    for kinds, name, call in (
        ((keras.layers.Dropout,), "rate", _drop),
        ((keras.layers.GaussianNoise,), "stddev", _add_noise),
        ((keras.layers.GaussianDropout,), "rate", _multiply_noise),
    ):
        if isinstance(layer, kinds) and attribute == name:
            return _when_training(layer, value, call)
    return None


def _when_training(layer: Any, value: Any, compute: Callable[..., Any]) -> Callable[..., Any]:
    if not hasattr(layer, "seed_generator"):
        raise ConfigurationError(
            f"the layer {layer.name!r} was built with 0, so Keras left out what it needs to be "
            "random; build it with a number above 0"
        )

    def call(inputs: Any, training: bool = False) -> Any:
        return compute(layer, inputs, tf.cast(value, inputs.dtype)) if training else inputs

    return call


def _drop(layer: Any, inputs: Any, rate: Any) -> Any:
    # Of a spatial dropout, whose noise is the same over a whole feature map.
    shape_of = getattr(layer, "_get_noise_shape", None)
    noise_shape = layer.noise_shape if shape_of is None else shape_of(inputs)
    if noise_shape is not None:
        dims = tf.unstack(tf.shape(inputs), num=inputs.shape.rank)
        noise_shape = tf.stack(
            [dim if given is None else given for dim, given in zip(dims, noise_shape, strict=True)]
        )
    seed = tf.cast(layer.seed_generator.next(), tf.int32)
    return tf.nn.experimental.stateless_dropout(
        inputs, rate=rate, seed=seed, noise_shape=noise_shape
    )


def _add_noise(layer: Any, inputs: Any, stddev: Any) -> Any:
    return inputs + _noise(layer, inputs, 0.0, stddev)


def _multiply_noise(layer: Any, inputs: Any, rate: Any) -> Any:
    return inputs * _noise(layer, inputs, 1.0, tf.sqrt(rate / (1.0 - rate)))


def _noise(layer: Any, inputs: Any, mean: float, stddev: Any) -> Any:
    seed = tf.cast(layer.seed_generator.next(), tf.int32)
    return tf.random.stateless_normal(tf.shape(inputs), seed, mean, stddev, inputs.dtype)
