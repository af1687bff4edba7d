"""Asks the blessings of a model whether another format may be made of it."""

from collections.abc import Sequence
from pathlib import Path

from components.pusher.blessings import objections
from components.pusher.request import Options, PushRequest
from components.records import Blessing, Finding, Model, Refusal


def refuse_unblessed(
    model: Model, blessings: Sequence[Blessing], signing_key: bytes | None = None
) -> Refusal | None:
    """Return why a model isn't rewritten; None where nothing speaks against it.

    The rules are the pusher's: each blessing positive, or overridden by an approval; for exactly
    the model's bytes; and signed.

    Args:
        model: the original.
        blessings: of it; none asks for nothing.
        signing_key: None where blessings aren't signed.
    """
    options = Options(required_kinds=(), signing_key=signing_key)
    request = PushRequest(Path(model.uri), model, tuple(blessings), (), options)
    found = objections(request, request.candidate, identity=None)
    return Refusal(tuple(found), model_digest=model.digest) if found else None


def verdict_finding(blessings: Sequence[Blessing]) -> Finding:
    """Return what a blessing of the rewritten bytes says of the original's verdicts.

    Args:
        blessings: those that let it be rewritten.
    """
    kinds = ", ".join(sorted({blessing.kind for blessing in blessings}))
    message = (
        f"The original is blessed: {kinds}."
        if kinds
        else "The original wasn't judged: it was rewritten without a blessing of it."
    )
    return Finding(check="original", passed=True, message=message)
