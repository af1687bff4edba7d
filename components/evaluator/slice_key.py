"""Names slices of the examples: overall, or those with certain feature values."""

from dataclasses import dataclass
from typing import Any

SliceValue = str | int | float
SliceKey = tuple[tuple[str, SliceValue], ...]
"""(feature, value) pairs, sorted by feature; empty means all examples."""

OVERALL: SliceKey = ()


@dataclass(frozen=True)
class SlicingSpec:
    """Which slices to make, as TFMA's `SlicingSpec`; the empty one is all examples.

    Attributes:
        feature_keys: one slice for each combination of these features' values, sorted.
        feature_values: and only where these features have these values, sorted.
    """

    feature_keys: tuple[str, ...] = ()
    feature_values: tuple[tuple[str, str], ...] = ()

    @property
    def features(self) -> tuple[str, ...]:
        """All features that it looks at, sorted."""
        return tuple(sorted({*self.feature_keys, *(name for name, _ in self.feature_values)}))

    def required_text(self, feature: str) -> str | None:
        """Return the text that the feature's value must be, or None if any will do."""
        return dict(self.feature_values).get(feature)

    def matches(self, key: SliceKey) -> bool:
        """Return whether a slice is one of those that this specification makes."""
        if tuple(name for name, _ in key) != self.features:
            return False
        values = dict(key)
        return all(is_text_of(text, values[name]) for name, text in self.feature_values)

    def includes(self, other: "SlicingSpec") -> bool:
        """Return whether this specification would make every slice that the other makes."""
        return self.features == other.features and {*self.feature_values} <= {*other.feature_values}

    def __str__(self) -> str:
        required = dict(self.feature_values)
        return ", ".join(f"{name}={required.get(name, '*')}" for name in self.features) or "overall"


def is_text_of(text: str, value: SliceValue) -> bool:
    """Return whether a configuration's text means a feature's value, by that value's own type.

    Unlike TFMA, which turns "12" into a number before it looks, so that it never equals the bytes
    "12" of a string feature.
    """
    if isinstance(value, str):
        return text == value
    try:
        return float(text) == value if isinstance(value, float) else int(text) == value
    except ValueError:
        return False


def describe(key: SliceKey) -> str:
    """Return ``overall``, or ``for origin=JFK, carrier=AA``."""
    pairs = ", ".join(f"{name}={value}" for name, value in key)
    return f"for {pairs}" if pairs else "overall"


def sort_key(key: SliceKey) -> Any:
    """Order slices: overall first, then by features, numbers by size before texts."""
    names = tuple(name for name, _ in key)
    values = tuple((1, 0, value) if isinstance(value, str) else (0, value, "") for _, value in key)
    return (len(names), names, values)
