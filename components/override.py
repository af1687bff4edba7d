"""What a person may let pass although it failed, and whether they did."""

from collections.abc import Mapping
from typing import Any

from components import canonical_json
from components.records import Blessing, Finding, Override

_CHECKS = ("value_threshold", "change_threshold")


def may_be_overridden(blessing: Blessing, failure: Finding) -> bool:
    """Return whether a failed finding is for a person to decide.

    True for a threshold of an evaluation that was missed by a number; never for NaN, a missing
    slice, infra or digest findings.
    """
    return (
        blessing.kind == "evaluation"
        and failure.check in _CHECKS
        and failure.metric is not None
        and failure.observed is not None
    )


def override_of(failure: Finding, *, reason: str, by: str) -> Override:
    """Return the decision to let a failed finding pass, as it was shown."""
    return Override(
        check=failure.check,
        metric=failure.metric,
        slice=failure.slice,
        reason=reason,
        by=by,
        observed=failure.observed,
        bound=failure.bound,
    )


def covers(override: Override, failure: Finding) -> bool:
    """Return whether an override is for this finding, signed off, and not for a better value."""
    same = (override.check, override.metric, _key(override.slice), override.bound) == (
        failure.check,
        failure.metric,
        _key(failure.slice),
        failure.bound,
    )
    is_signed_off = bool(override.reason.strip() and override.by.strip())
    return (
        same
        and is_signed_off
        and override.observed is not None
        and not _is_worse(failure, override.observed)
    )


def _key(slice_: Mapping[str, Any]) -> bytes:
    """Return a slice as JSON, where 1 isn't true."""
    return canonical_json.dumps(slice_)


def _is_worse(failure: Finding, shown: float) -> bool:
    """Whether the value is further from its bound than what the person saw."""
    observed, bound = failure.observed, failure.bound
    if observed is None:
        return True
    if bound is not None and bound.lower is not None and observed < bound.lower:
        return observed < shown
    if bound is not None and bound.upper is not None and observed > bound.upper:
        return observed > shown
    return observed != shown
