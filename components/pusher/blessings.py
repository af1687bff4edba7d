"""What the blessings of a push must be: readable, signed, positive, for these bytes, and enough."""

from collections.abc import Iterator, Sequence

from components import signing
from components.errors import ConfigurationError, PushError
from components.override import covers, may_be_overridden
from components.pusher.request import Candidate, PushRequest
from components.records import Blessing, Finding
from components.serving_folder import ServingFolder


def objections(
    request: PushRequest, candidate: Candidate | None, identity: str | None
) -> list[Finding]:
    """Return what speaks against a push; nothing if the blessings allow it.

    Args:
        request: the push.
        candidate: its model, if there is one.
        identity: the real path of the serving folder; None for a copy of one, where it doesn't
            matter which folder the blessings name.

    Raises:
        ConfigurationError: an evaluation was made against another serving folder.
    """
    found = [*request.malformed]
    for blessing in request.blessings:
        found += _objections_to(blessing, request, candidate, identity)
    return found or _missing(request, candidate)


def _objections_to(
    blessing: Blessing, request: PushRequest, candidate: Candidate | None, identity: str | None
) -> Iterator[Finding]:
    unsigned = _unsigned(blessing, request.options.signing_key)
    if unsigned is not None:
        yield unsigned
        return
    if candidate is not None:
        yield from _other_bytes(blessing, candidate)
        yield from _other_served_bytes(blessing, candidate)
    if identity is not None:
        yield from _elsewhere(blessing, identity)
    if blessing.overrides and blessing.kind != "approval":
        yield _refuse(
            "not_blessed",
            f"the {blessing.kind} blessing carries overrides; only an approval may",
        )
    yield from _negative(blessing, request.blessings)


def _unsigned(blessing: Blessing, key: bytes | None) -> Finding | None:
    if key is None:
        return None
    if signing.is_signed(blessing, key):
        return None
    what = "has no signature" if blessing.signature is None else "has a wrong signature"
    return _refuse(
        "bad_signature",
        f"the {blessing.kind} blessing {what}; it was changed after it was issued, or issued "
        "without this installation's key: run the task that issues it again",
    )


def _other_bytes(blessing: Blessing, candidate: Candidate) -> Iterator[Finding]:
    if blessing.kind == "data":
        kind, expected = "examples", candidate.model.examples_digest
    else:
        kind, expected = "model", candidate.trained_digest
    subject = blessing.subject
    if subject.type != kind or subject.digest != expected:
        yield _refuse(
            "other_bytes",
            f"the {blessing.kind} blessing is for {subject.type} {subject.digest}; this push is of "
            f"{kind} {expected}: bless the model that is pushed",
        )


def _other_served_bytes(blessing: Blessing, candidate: Candidate) -> Iterator[Finding]:
    served = blessing.served_model
    if served is None:
        return
    if blessing.kind != "infra":
        yield _refuse(
            "not_blessed",
            f"the {blessing.kind} blessing carries a served model; only an infra blessing may",
        )
    elif served.digest != candidate.digest:
        yield _refuse(
            "other_bytes",
            f"two infra blessings carry different served models, {candidate.digest} and "
            f"{served.digest}; let one of them make warm-up requests",
        )


def _elsewhere(blessing: Blessing, identity: str) -> Iterator[Finding]:
    baseline = blessing.baseline
    if baseline is not None and baseline.base_directory is not None:
        compared = _identity(baseline.base_directory)
        if compared != identity:
            raise ConfigurationError(
                f"the {blessing.kind} blessing compared with what is live in {compared!r}, but the "
                f"push goes to {identity!r}; give both the same base directory"
            )
    if blessing.destination is not None:
        destination = _identity(blessing.destination)
        if destination != identity:
            yield _refuse(
                "not_blessed",
                f"the {blessing.kind} blessing is for {destination!r}, not for {identity!r}",
            )


def _identity(base_directory: str) -> str:
    try:
        return ServingFolder(base_directory).identity
    except PushError as error:
        raise ConfigurationError(f"a blessing names a folder that can't be: {error}") from error


def _negative(blessing: Blessing, all_blessings: Sequence[Blessing]) -> Iterator[Finding]:
    failures = blessing.failures
    if blessing.blessed and not failures:
        return
    if blessing.blessed:
        yield _refuse(
            "not_blessed",
            f"the {blessing.kind} blessing says blessed, but its check "
            f"{failures[0].check!r} failed: {failures[0].message}",
        )
        return
    open_failures = [
        failure for failure in failures if not _overridden(failure, blessing, all_blessings)
    ]
    if failures and not open_failures:
        return
    reasons = "; ".join(failure.message for failure in open_failures) or "no reason is given"
    yield _refuse("not_blessed", f"the {blessing.kind} blessing is negative: {reasons}")
    yield from open_failures


def _overridden(failure: Finding, blessing: Blessing, all_blessings: Sequence[Blessing]) -> bool:
    """A person may let a failed metric of an evaluation pass, as it was shown to them."""
    if not may_be_overridden(blessing, failure):
        return False
    approvals = (
        other
        for other in all_blessings
        if other.kind == "approval" and other.blessed and other.subject == blessing.subject
    )
    return any(covers(override, failure) for other in approvals for override in other.overrides)


def _missing(request: PushRequest, candidate: Candidate | None) -> list[Finding]:
    given = {blessing.kind for blessing in request.blessings}
    missing = [kind for kind in request.options.required_kinds if kind not in given]
    if missing:
        hint = (
            "; to push on the infra blessing alone give required_kinds=['infra'] "
            "(--required-kind infra)"
            if given == {"infra"}
            else "; see why the task that issues it gave none"
        )
        message = f"there is no {' and no '.join(missing)} blessing{hint}"
        return [_refuse("blessing_missing", message)]
    if candidate is None:
        message = (
            "there is no model to push: the trainer gave none, and no infra blessing carries one "
            "with warm-up requests"
        )
        return [_refuse("blessing_missing", message)]
    return []


def _refuse(check: str, message: str) -> Finding:
    return Finding(check, False, message)
