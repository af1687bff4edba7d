"""Numbers of a Keras model's training, such as a dropout rate, as arguments of the exported call.

A layer reads its rate as a Python number, so an export would freeze it. While a call is traced, the
number is replaced by the argument's tensor; see `components.saved_model.traced_number`.
"""

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from components.errors import ConfigurationError, one_line
from components.saved_model.traced_number import TracedNumber

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
            isn't a number or that two arguments stand for, or several with different values.
    """
    arguments = [_find(model, name, targets) for name, targets in hyperparameters.items()]
    names: dict[tuple[int, str], str] = {}
    for argument in arguments:
        for pair, target in zip(argument.attributes, argument.targets, strict=True):
            other = names.setdefault(_key(*pair), argument.name)
            if other != argument.name:
                raise ConfigurationError(
                    f"the hyperparameters {other!r} and {argument.name!r} both stand for "
                    f"{target}; give each number one argument"
                )
    return arguments


def _find(model: Any, name: str, targets: str | Sequence[str]) -> TrainingArgument:
    if not isinstance(name, str) or not name.isidentifier() or name in RESERVED_NAMES:
        raise ConfigurationError(
            f"hyperparameters has {name!r}; expected a name that an argument can have, other than "
            f"{', '.join(RESERVED_NAMES)}"
        )
    listed: list[Any] = list(targets) if isinstance(targets, list | tuple) else [targets]
    if not listed or not all(isinstance(target, str) for target in listed):
        raise ConfigurationError(
            f"the hyperparameter {name!r} stands for {targets!r}; expected 'layer.attribute', for "
            "instance 'dropout.rate', or a list of such"
        )
    layers = [model, *getattr(model, "_flatten_layers", lambda **_: [])(include_self=False)]
    matched = [pair for target in listed for pair in _match(layers, name, target)]
    # A recurrent layer and its cell have one dropout, and one pattern may match both.
    found = list({_key(*pair): pair for pair in reversed(matched)}.values())[::-1]
    values = {float(getattr(layer, attribute)) for layer, attribute in found}
    if len(values) != 1:
        shown = ", ".join(f"{lay.name}.{attr}={getattr(lay, attr)}" for lay, attr in found)
        raise ConfigurationError(
            f"the hyperparameter {name!r} stands for attributes with different values ({shown}), "
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


def _owner(layer: Any, attribute: str) -> tuple[Any, str]:
    """Return where a layer keeps a number that it has only by a property."""
    if not isinstance(getattr(type(layer), attribute, None), property):
        return layer, attribute
    cell = getattr(layer, "cell", None)  # of a recurrent layer
    if cell is not None and attribute in vars(cell):
        return cell, attribute
    inner = getattr(layer, f"_{attribute}_layer", None)  # of an attention
    if attribute == "dropout" and isinstance(inner, keras.layers.Dropout):
        return inner, "rate"
    raise ConfigurationError(
        f"{layer.name}.{attribute} is computed by {type(layer).__name__}, so it can't be replaced "
        "by an argument; name the layer within it that has the number"
    )


def _key(layer: Any, attribute: str) -> tuple[int, str]:
    """Return what is the same for two names of one number."""
    owner, own_name = _owner(layer, attribute)
    return id(owner), own_name


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@contextmanager
def substituted(
    arguments: Sequence[TrainingArgument], values: Mapping[str, Any]
) -> Iterator[list[TracedNumber]]:
    """While the block is traced, let the layers use tensors instead of their numbers.

    Args:
        arguments: what `find_training_arguments` found.
        values: argument → float32 scalar.

    Yields:
        What stands for the numbers, in the order of the arguments and their attributes.

    Raises:
        ConfigurationError: a layer can't compute with a tensor.
    """
    numbers = []
    with ExitStack() as stack:
        for argument in arguments:
            for (layer, attribute), name in zip(argument.attributes, argument.targets, strict=True):
                number = TracedNumber(
                    values[argument.name], argument.default, name, layer.compute_dtype
                )
                numbers.append(number)
                owner, own_name = _owner(layer, attribute)
                stack.enter_context(_replaced(owner, *_replacement(owner, own_name, number)))
        try:
            yield numbers
        except Exception as error:  # whatever a layer raises that is given no Python number
            if not arguments:
                raise
            raise ConfigurationError(
                "the model can't be called with tensors in place of "
                f"{', '.join(target for argument in arguments for target in argument.targets)}: "
                f"{one_line(error)}; leave out of hyperparameters what a layer needs as a number"
            ) from error


def refuse_unused(
    arguments: Sequence[TrainingArgument], traces: Sequence[Sequence[TracedNumber]]
) -> None:
    """Refuse arguments that would change nothing.

    Args:
        arguments: what `find_training_arguments` found.
        traces: what stood for the numbers in each trace.

    Raises:
        ConfigurationError: no trace computed with one of them.
    """
    targets = [target for argument in arguments for target in argument.targets]
    defaults = [argument.default for argument in arguments for _ in argument.attributes]
    for target, default, *numbers in zip(targets, defaults, *traces, strict=True):
        if not any(number.is_used for number in numbers):
            hint = (
                "it is 0, so Keras leaves out what it is for: build the layer with a number above 0"
                if default == 0
                else "the layer reads it only when it is built: leave it out of hyperparameters"
            )
            raise ConfigurationError(f"nothing is computed with {target} in a call; {hint}")


@contextmanager
def _replaced(layer: Any, attribute: str, replacement: Any) -> Iterator[None]:
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


def _replacement(layer: Any, attribute: str, number: TracedNumber) -> tuple[str, Any]:
    """Return the attribute to replace, and by what."""
    if not isinstance(layer, keras.layers.GaussianDropout) or attribute != "rate":
        return attribute, number

    def call(inputs: Any, training: bool = False) -> Any:  # as Keras', but for math.sqrt
        if not training or number <= 0:
            return inputs
        seed = tf.cast(layer.seed_generator.next(), tf.int32)
        rate = tf.convert_to_tensor(number)
        stddev = tf.sqrt(rate / (1.0 - rate))
        return inputs * tf.random.stateless_normal(
            tf.shape(inputs), seed, 1.0, stddev, inputs.dtype
        )

    return "call", call
