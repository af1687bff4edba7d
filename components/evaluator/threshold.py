"""The arithmetic of verdicts. Pure: no models, no files.

==============================  ==========================================================
a value that is NaN, infinite   fails every threshold
or missing
a bound                         is inclusive: equality passes
the absolute change             candidate - baseline
the relative change             (candidate - baseline) / |baseline|; against a baseline of 0 it is
                                0 if the candidate is 0 too, else infinite with its sign
higher is better                passes if the change is at least the threshold
lower is better                 passes if the change is at most the threshold
absolute and relative           both must hold
a baseline that is NaN          fails: nothing can be said about the change
with a confidence               the value must pass, and all of its two-sided interval; of a change
                                the interval of that change, absolute or relative
an interval that can't be told  by the policy ``undecided``: fails (``FAIL``, the default), or the
                                value alone decides (``JUDGE_VALUE``)
==============================  ==========================================================

Numbers are compared as the decimals that they are written as: 0.69 - 0.71 is exactly -0.02, though
it isn't in binary.
"""

import math
from dataclasses import dataclass
from decimal import Context, Decimal

from components.errors import ConfigurationError
from components.evaluator.interval import Interval
from components.evaluator.slice_key import SlicingSpec
from components.records import Bound

_NEAR = 1e-9
"""So close, relatively, that rounding in float64 might decide."""
_EXACT = Context(prec=700)
"""Enough digits for the difference of any two float64 numbers in decimal notation."""


@dataclass(frozen=True)
class ValueThreshold:
    """A metric must lie within these bounds; None means open.

    Attributes:
        metric: its name.
        lower: bound.
        upper: bound.
        confidence: with which it must; None judges the value as it is.

    Raises:
        ConfigurationError: no bound, one that isn't finite, a lower above the upper one, or a
            confidence that isn't between 0 and 1.
    """

    metric: str
    lower: float | None = None
    upper: float | None = None
    confidence: float | None = None

    def __post_init__(self) -> None:
        bounds = [bound for bound in (self.lower, self.upper) if bound is not None]
        if not bounds or not all(map(math.isfinite, bounds)):
            raise ConfigurationError(
                f"the value_threshold of {self.metric!r} is [{self.lower}, {self.upper}]; expected "
                "a finite lower_bound, upper_bound or both"
            )
        if bounds != sorted(bounds):
            raise ConfigurationError(
                f"the value_threshold of {self.metric!r} has the lower_bound {self.lower} above "
                f"the upper_bound {self.upper}, so nothing could meet it"
            )
        _check_confidence("value_threshold", self.metric, self.confidence)

    def passes(self, observed: float) -> bool:
        """Return whether a value, maybe NaN, meets it."""
        above = self.lower is None or observed >= self.lower
        below = self.upper is None or observed <= self.upper
        return math.isfinite(observed) and above and below

    def contains(self, interval: Interval) -> bool:
        """Return whether all of an interval lies within the bounds."""
        return self.passes(interval.lower) and self.passes(interval.upper)


@dataclass(frozen=True)
class ChangeThreshold:
    """How a metric may change against the baseline.

    Attributes:
        metric: its name.
        absolute: for the absolute change.
        relative: for the relative change, 0.05 being 5 %.
        higher_is_better: None where the configuration doesn't say, which is refused.
        confidence: with which it must hold; None judges the values as they are.

    Raises:
        ConfigurationError: neither absolute nor relative, NaN or infinite, no direction, or a
            confidence that isn't between 0 and 1.
    """

    metric: str
    absolute: float | None = None
    relative: float | None = None
    higher_is_better: bool | None = None
    confidence: float | None = None

    def __post_init__(self) -> None:
        limits = [limit for limit in (self.absolute, self.relative) if limit is not None]
        if not limits or not all(map(math.isfinite, limits)):
            raise ConfigurationError(
                f"the change_threshold of {self.metric!r} has absolute {self.absolute} and "
                f"relative {self.relative}; expected one finite number or both"
            )
        if self.higher_is_better is None:
            raise ConfigurationError(
                f"the change_threshold of {self.metric!r} has no direction; expected "
                "'HIGHER_IS_BETTER' or 'LOWER_IS_BETTER'"
            )
        _check_confidence("change_threshold", self.metric, self.confidence)

    def passes(self, observed: float, baseline: float) -> bool:
        """Return whether a value, maybe NaN, meets it against a baseline's, maybe NaN."""
        if not (math.isfinite(observed) and math.isfinite(baseline)):
            return False
        if (told := self._tell_apart(observed, baseline)) is not None:
            return told
        change = _EXACT.subtract(_decimal(observed), _decimal(baseline))
        return all(
            self._is_enough(change, limit, scale)
            for limit, scale in (
                (self.absolute, Decimal(1)),
                (self.relative, abs(_decimal(baseline))),
            )
            if limit is not None
        )

    def _tell_apart(self, observed: float, baseline: float) -> bool | None:
        """Return the verdict where float64 can tell: not close to a limit. Decimals are slow."""
        change, passed = observed - baseline, True
        for limit, scale in ((self.absolute, 1.0), (self.relative, abs(baseline))):
            if limit is None:
                continue
            gap, needed = change - limit * scale, abs(limit * scale)
            if not abs(gap) > _NEAR * (abs(observed) + abs(baseline) + needed):
                return None
            passed = passed and (gap > 0) == self.higher_is_better
        return passed if change else None

    def allows(self, absolute: Interval | None, relative: Interval | None) -> bool | None:
        """Return whether all changes of these intervals meet it; None if one that counts is None.

        Args:
            absolute: of candidate - baseline.
            relative: of that / |baseline|.
        """
        pairs = ((self.absolute, absolute), (self.relative, relative))
        counting = [(limit, interval) for limit, interval in pairs if limit is not None]
        told = [(limit, interval) for limit, interval in counting if interval is not None]
        if not all(self._is_met(limit, interval) for limit, interval in told):
            return False
        return True if len(told) == len(counting) else None

    def bound(self, baseline: float) -> Bound | None:
        """Return what the threshold asks of the value, given the baseline's; None if that is NaN.

        For people and for records; `passes` decides.
        """
        if not math.isfinite(baseline):
            return None
        limits = []
        if self.absolute is not None:
            limits.append(_decimal(baseline) + _decimal(self.absolute))
        if self.relative is not None:
            limits.append(_decimal(baseline) + _decimal(self.relative) * abs(_decimal(baseline)))
        if self.higher_is_better:
            return Bound(lower=float(max(limits)))
        return Bound(upper=float(min(limits)))

    def _is_met(self, limit: float, interval: Interval) -> bool:
        return interval.lower >= limit if self.higher_is_better else interval.upper <= limit

    def _is_enough(self, change: Decimal, limit: float, scale: Decimal) -> bool:
        # No change is 0 by any scale, that of a zero baseline too.
        needed = _decimal(limit) if change == 0 else _EXACT.multiply(_decimal(limit), scale)
        return change >= needed if self.higher_is_better else change <= needed


@dataclass(frozen=True)
class Threshold:
    """What one metric must hold.

    Attributes:
        metric: its name.
        slicing_spec: for these slices; None means every slice that is made, as in TFMA.
        value: bounds on the metric.
        change: bounds on its change against the baseline.
    """

    metric: str
    slicing_spec: SlicingSpec | None
    value: ValueThreshold | None
    change: ChangeThreshold | None

    @property
    def asks_confidence(self) -> bool:
        """Whether an interval must be computed to judge it."""
        limits = [limit for limit in (self.value, self.change) if limit is not None]
        return any(limit.confidence is not None for limit in limits)


def _check_confidence(kind: str, metric: str, confidence: float | None) -> None:
    if confidence is not None and not 0 < confidence < 1:
        raise ConfigurationError(
            f"the {kind} of {metric!r} has the confidence {confidence:g}; expected more than 0 and "
            "less than 1, for instance 0.95"
        )


def _decimal(number: float) -> Decimal:
    return Decimal(repr(float(number)))
