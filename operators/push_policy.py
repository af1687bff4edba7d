"""Whether a run may push at all, before anybody looks at its model."""

from collections.abc import Sequence

from components.errors import ConfigurationError
from components.records import Finding, Refusal

PUSH_POLICIES = ("auto", "never", "ask")
BACKFILL_POLICIES = ("never", "newer")
BACKFILL = "backfill"


def refusal_by_policy(run_type: str, push_policy: str, backfill_push: str) -> Refusal | None:
    """Return the refusal that the policy asks for, or None.

    A backfill run is judged by `backfill_push` alone: Airflow's form for backfills sends all
    params, touched or not, so `push_policy` says nothing about it.

    Raises:
        ConfigurationError: a policy isn't one of those known.
    """
    _check("push_policy", push_policy, PUSH_POLICIES)
    _check("backfill_push", backfill_push, BACKFILL_POLICIES)
    if run_type == BACKFILL:
        return _refuse(_BACKFILL_MESSAGE) if backfill_push == "never" else None
    return (
        _refuse("push_policy is never, so nothing is published") if push_policy == "never" else None
    )


def asks(run_type: str, push_policy: str) -> bool:
    """Return whether a person is asked before the push.

    Raises:
        ConfigurationError: the policy isn't known.
    """
    _check("push_policy", push_policy, PUSH_POLICIES)
    return push_policy == "ask" and run_type != BACKFILL


def required_kinds(given: Sequence[str], run_type: str, push_policy: str) -> list[str]:
    """Return the kinds of blessing that must be there: with ``ask``, an approval too.

    Raises:
        ConfigurationError: none is given.
    """
    if not given:
        raise ConfigurationError("required_kinds is empty; nothing is published without a blessing")
    is_asked = asks(run_type, push_policy) and "approval" not in given
    return [*given, *(["approval"] if is_asked else [])]


_BACKFILL_MESSAGE = (
    "this is a backfill run and backfill_push is never, so the model was trained and judged but "
    'not published; to allow it, start the backfill with the configuration {"backfill_push": '
    '"newer"}: then a model goes live unless its window ends before that of the live one'
)


def _check(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ConfigurationError(f"{name} is {value!r}; expected one of {', '.join(known)}")


def _refuse(message: str) -> Refusal:
    return Refusal(findings=(Finding(check="policy", passed=False, message=message),))
