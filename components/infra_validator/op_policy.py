"""Judges a model by its operations that do more than compute."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from components.errors import InvalidModelError
from components.records import Bound, Finding
from components.saved_model.risky_op import RiskyOp, find_risky_ops

OpPolicy = Literal["warn", "refuse"]
_CHECK = "ops"
_NUM_SHOWN = 5
_log = logging.getLogger(__name__)


def check_ops(model: Path, policy: OpPolicy) -> Finding:
    """Judge a model by its operations.

    Args:
        model: a SavedModel directory.
        policy: ``warn`` reports them, ``refuse`` lets the check fail if there is one. A graph that
            can't be read fails under both.

    Raises:
        ServerUnavailableError: TensorFlow's operations can't be listed.
    """
    try:
        found = find_risky_ops(model)
    except InvalidModelError as error:
        return Finding(check=_CHECK, passed=False, message=f"{error}.")
    if not found:
        message = "The model's graph only computes: no operation touches files or runs programs."
        return Finding(check=_CHECK, passed=True, message=message, observed=0.0)
    refused = policy == "refuse"
    if not refused:
        _log.warning("%d operations of the model do more than compute", len(found))
    return Finding(
        check=_CHECK,
        passed=not refused,
        message=_describe(found, refused),
        observed=float(len(found)),
        bound=Bound(upper=0.0) if refused else None,
    )


def _describe(found: Sequence[RiskyOp], refused: bool) -> str:
    shown = "; ".join(map(str, found[:_NUM_SHOWN]))
    more = f"; and {len(found) - _NUM_SHOWN} more" if len(found) > _NUM_SHOWN else ""
    verdict = "the policy refuses that" if refused else "op_policy 'refuse' would refuse that"
    return f"The model's graph does more than compute, {verdict}: {shown}{more}."
