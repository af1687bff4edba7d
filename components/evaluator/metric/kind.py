"""What a metric is, and what the class name of one stands for.

Where a metric isn't defined (one class only, nothing predicted positive, all weights zero) it is
NaN, and NaN meets no threshold. TFMA says 0.0 or 1.0 for some of these.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np

from components.errors import ConfigurationError
from components.evaluator.batch import PLAIN, View
from components.evaluator.exact_sum import Array
from components.evaluator.statistic import Statistic

TINY = 1e-8
"""A denominator that TFMA takes for zero."""


class Takes(Enum):
    """What labels and predictions must be for a metric to mean something."""

    ANYTHING = "anything"
    NUMBERS = "one number as label, one as prediction"
    PROBABILITIES = "labels from 0 to 1, and a probability for each"
    SCORES = "a class as label, by number or one-hot, and a score for each class"
    CLASSES = "a class as label, by number or one-hot, and a probability for each class"


@dataclass(frozen=True)
class Metric:
    """What is computed for each slice.

    Attributes:
        name: in records, unique in one evaluation.
        title: how sentences call it.
        statistics: what it is computed from.
        compute: takes their results; returns a number for each slice, `(num_slices,)`, float64, or,
            of a plot, a list of JSON values.
        needs_predictions: false for what depends on the data alone.
        base_name: the name without what tells variants of it apart; thresholds go by it.
        takes: what labels and predictions must be.
        view: which pairs of them are looked at.
        output: of a model with several outputs.
        is_plot: whether it is more than one number; no threshold can be put on it.
        features: numbers that it needs of the examples besides label and weight.
        query_key: the feature that groups examples.
        least_classes: so many a model must tell apart for it to mean something.
        lowest: what it can be.
        highest: what it can be.
        has_interval: whether it is estimated, so that there is an interval of confidence.
        is_rate: whether it is the share of all examples, each counted once, with some trait.
    """

    name: str
    title: str
    statistics: tuple[Statistic, ...]
    compute: Callable[..., Any]
    needs_predictions: bool = True
    base_name: str = ""
    takes: Takes = Takes.ANYTHING
    view: View = PLAIN
    output: str = ""
    is_plot: bool = False
    features: tuple[str, ...] = ()
    query_key: str = ""
    least_classes: int = 0
    lowest: float = -math.inf
    highest: float = math.inf
    has_interval: bool = True
    is_rate: bool = False


@dataclass(frozen=True)
class Asked:
    """How a metric was asked for.

    Attributes:
        settings: of its config, completed by the defaults.
        weighted: by the examples' weights.
        view: which pairs of label and prediction.
        query_key: the feature that groups examples.
    """

    settings: Mapping[str, Any]
    weighted: bool
    view: View = PLAIN
    query_key: str = ""


@dataclass(frozen=True)
class Computation:
    """What to add up, and how to get a metric from it.

    Attributes:
        statistics: sums.
        compute: as of `Metric`.
        features: as of `Metric`.
        least_classes: as of `Metric`.
    """

    statistics: tuple[Statistic, ...]
    compute: Callable[..., Any]
    features: tuple[str, ...] = ()
    least_classes: int = 0


@dataclass(frozen=True)
class Kind:
    """What a class name stands for.

    Attributes:
        name: by default, as TFMA's.
        make: how to compute it, or several, by what follows the name.
        settings: what its config may say → what holds by default. One whose name begins with
            ``=`` may only be given as that default.
        takes: what labels and predictions must be.
        has_views: whether it looks at pairs, so that `binarize` and `aggregate` apply.
        needs_predictions: false for what depends on the data alone.
        needs_query: whether it is about the examples of a query.
        is_plot: whether it is more than one number.
        lowest: what it can be.
        highest: what it can be.
        is_size: whether it says how many examples there are; that is known, and not estimated.
        is_rate: whether it is the share of all examples with some trait.
        is_count: whether it counts, so that without weights it is never below 0.
    """

    name: str
    make: Callable[[Asked], Computation | Mapping[str, Computation]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    takes: Takes = Takes.ANYTHING
    has_views: bool = False
    needs_predictions: bool = True
    needs_query: bool = False
    is_plot: bool = False
    lowest: float = -math.inf
    highest: float = math.inf
    is_size: bool = False
    is_rate: bool = False
    is_count: bool = False


def read_settings(class_name: str, kind: Kind, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return all settings of a metric.

    Raises:
        ConfigurationError: one that isn't known, or a value that isn't supported.
    """
    settings = {name.removeprefix("="): value for name, value in kind.settings.items()}
    for name, value in config.items():
        if name in ("name", "dtype"):
            continue
        if name not in settings:
            raise ConfigurationError(
                f"{class_name} has no setting {name!r}, or it isn't supported yet; expected only "
                f"{', '.join(['name', *sorted(settings)])}"
            )
        if f"={name}" in kind.settings and value != settings[name]:
            raise ConfigurationError(
                f"{class_name} with {name}={value!r} isn't supported yet; leave it out, "
                f"which means {settings[name]!r}"
            )
        settings[name] = value
    return settings


def read_number(settings: Mapping[str, Any], name: str, *, least: float, most: float) -> float:
    """Return a setting that must be a number within bounds.

    Raises:
        ConfigurationError: it isn't.
    """
    value = settings[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        wanted = f"a number from {least:g} to {most:g}" if most < 2**31 else f"{least:g} or more"
        raise ConfigurationError(f"{name} is {value!r}; expected {wanted}")
    return float(value)


def read_count(settings: Mapping[str, Any], name: str, *, least: int) -> int:
    """Return a setting that must be a whole number.

    Raises:
        ConfigurationError: it isn't, or too low.
    """
    value = settings[name]
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigurationError(f"{name} is {value!r}; expected an integer")
    if value < least:
        raise ConfigurationError(f"{name} is {value}; expected {least} or more")
    return value


def read_thresholds(settings: Mapping[str, Any]) -> tuple[float, ...] | None:
    """Return the setting ``thresholds`` or ``threshold``, ascending; None if it isn't given.

    Raises:
        ConfigurationError: something else than numbers from 0 to 1.
    """
    name = "threshold" if "threshold" in settings else "thresholds"
    value = settings[name]
    if value is None:
        return None
    values: Sequence[Any] = value if isinstance(value, list | tuple) else [value]
    if not values or any(isinstance(v, bool) or not isinstance(v, int | float) for v in values):
        raise ConfigurationError(f"{name} is {value!r}; expected one number, or a list of them")
    if not all(0 <= number <= 1 for number in values):
        raise ConfigurationError(
            f"{name} is {value!r}; expected numbers from 0 to 1, as probabilities are"
        )
    return tuple(sorted({float(number) for number in values}))


def divide(numerator: Array, denominator: Array) -> Array:
    """Divide where the denominator is positive, else NaN."""
    return divide_where(numerator, denominator, denominator > 0)


def divide_unless_tiny(numerator: Array, denominator: Array) -> Array:
    """Divide where the denominator isn't close to zero, else NaN."""
    return divide_where(numerator, denominator, np.abs(denominator) > TINY)


def divide_where(numerator: Array, denominator: Array, where: Array) -> Array:
    """Divide where it may be done, else NaN."""
    quotient = np.full(np.shape(denominator), np.nan)
    np.divide(numerator, denominator, out=quotient, where=where)
    return quotient
