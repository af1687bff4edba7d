"""Publishing a model: decide under the folder's lock, then copy, record, rename, confirm."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from components import artifacts
from components.errors import PushError
from components.pusher import decision, publication, reevaluation
from components.pusher import request as requests
from components.pusher.lock import TIMEOUT_SECONDS, locked
from components.pusher.locked_folder import LockedFolder
from components.pusher.provenance import load_signer
from components.pusher.request import PushRequest
from components.records import Blessing, Model, PushedModel, Refusal, Run
from components.serving_folder import ServingFolder
from components.serving_records import Quarantine


def push(
    *,
    model: Model | Mapping[str, Any] | None,
    blessings: Sequence[Blessing | Mapping[str, Any] | requests.Unreadable | None],
    push_destination: Mapping[str, Any],
    required_kinds: Sequence[str] = requests.REQUIRED_KINDS,
    version: int | str | None = None,
    keep_versions: int = 5,
    allow_older: bool = False,
    confirm: Mapping[str, Any] | None = None,
    reevaluate_with: Mapping[str, Any] | None = None,
    run: Run | None = None,
    signing_key: bytes | None = None,
    model_signing_key: str | Path | None = None,
    lock_timeout_seconds: float = TIMEOUT_SECONDS,
) -> PushedModel | Refusal:
    """Publish a model as the next version of a serving folder, if its blessings allow it.

    Args:
        model: what was trained. May be None if an infra blessing carries a served model.
        blessings: each must be positive, for exactly these bytes; None is passed over.
        push_destination: ``{"filesystem": {"base_directory": DIR}}``; made if it doesn't exist.
        required_kinds: the kinds of blessing that must be there.
        version: the number to publish as; default is the end of the data window as
            ``YYYYMMDDhhmmss``, or one more than the highest number ever used in the folder.
        keep_versions: how many versions stay, at least 2; older ones are removed.
        allow_older: whether a model may replace one that has seen newer data.
        confirm: ``{"urls": [...], "model_name": …, "timeout_seconds": 360}``: servers that must
            say that they serve the version; it is withdrawn if one doesn't.
        reevaluate_with: ``{"examples", "eval_config", "example_splits", "first_run"}``: evaluate
            again if something else became live since the evaluation.
        run: the task instance that asks; a second try of it returns what the first did.
        signing_key: if given, each blessing must be signed with it.
        model_signing_key: a private key in PEM; if given, the version gets an OpenSSF model
            signature under ``.imprimatur/signatures/`` before it appears.
        lock_timeout_seconds: how long to wait for another writer.

    Returns:
        What is live now, or why nothing was published.

    Raises:
        ConfigurationError: an argument is wrong, or the number was used before.
        RecordError: the model record, or one of the folder's own, is malformed.
        ArtifactError: the source holds a symlink, a special file or an unfit name.
        InvalidModelError: the source isn't what the record says; or a server failed to load the
            version, which was withdrawn and put in quarantine.
        ServerUnavailableError: a server to confirm by doesn't answer; nothing is left published.
        PushError: the folder can't be used, or its lock can't be had.
    """
    base_directory = requests.read_destination(push_destination)
    read, malformed = requests.read_blessings(blessings)
    options = requests.Options(
        required_kinds=requests.read_required_kinds(required_kinds),
        version=requests.read_version(version),
        keep_versions=requests.read_keep_versions(keep_versions),
        allow_older=allow_older,
        confirm=requests.read_confirm(confirm, base_directory),
        reevaluate_with=requests.read_reevaluation(reevaluate_with),
        run=run,
        signing_key=signing_key,
        model_signer=None if model_signing_key is None else load_signer(model_signing_key),
        lock_timeout_seconds=lock_timeout_seconds,
    )
    given = requests.read_model(model)
    return execute(PushRequest(base_directory, given, read, malformed, options))


def execute(request: PushRequest) -> PushedModel | Refusal:
    """Push, evaluating again as long as something else becomes live meanwhile."""
    options = request.options
    refused = _refuse_before_making(request)
    if refused is not None:
        return refused
    for rounds_left in reversed(range(reevaluation.MAX_ROUNDS + 1)):
        with locked(
            request.base_directory, create=True, timeout_seconds=options.lock_timeout_seconds
        ) as folder:
            outcome = _push_once(request, folder)
        if not isinstance(outcome, decision.Stale):
            return outcome
        if options.reevaluate_with is None:
            return outcome.refusal
        if rounds_left > 0:
            request = reevaluation.renew(request, outcome.blessing)
    raise PushError(
        f"what is live changed again after {reevaluation.MAX_ROUNDS} new evaluations; "
        "try again when fewer models are pushed at once"
    )


def _refuse_before_making(request: PushRequest) -> Refusal | None:
    """Refuse what could never be published, so that a mistyped folder isn't made for it."""
    folder = ServingFolder(request.base_directory)
    if folder.base_directory.exists():
        return None
    facts = decision.Facts(folder.identity, None, None, (), Quarantine(), None)
    candidate = request.candidate
    if candidate is None:
        return decision.refuse_without_model(request, facts)
    decided = decision.decide(request, candidate, facts)
    if isinstance(decided, decision.Stale) and request.options.reevaluate_with is None:
        decided = decided.refusal
    if not isinstance(decided, Refusal):
        return None
    objection = publication.check_bytes(artifacts.read_manifest(candidate.source), candidate)
    return decided if objection is None else decision.refusal(request, facts, objection)


def _push_once(
    request: PushRequest, folder: LockedFolder
) -> PushedModel | Refusal | decision.Stale:
    candidate = request.candidate
    facts = _read_facts(folder, candidate.trained_digest if candidate is not None else None)
    if candidate is None:
        return decision.refuse_without_model(request, facts)
    decided = decision.decide(request, candidate, facts)
    if isinstance(decided, decision.Go):
        return publication.publish(request, candidate, folder, facts, decided)
    if isinstance(decided, decision.Stale) and request.options.reevaluate_with is not None:
        return decided
    objection = publication.check_bytes(artifacts.read_manifest(candidate.source), candidate)
    if objection is not None:
        return decision.refusal(request, facts, objection)
    if isinstance(decided, decision.Replay):
        return publication.replay(request, folder, decided.record)
    if isinstance(decided, decision.AlreadyLive):
        return publication.already_live(decided.version, request.options.run)
    return decided


def _read_facts(folder: LockedFolder, trained_digest: str | None) -> decision.Facts:
    live = folder.live()
    return decision.Facts(
        identity=folder.identity,
        live=live,
        live_digest=live.read_digest() if live is not None else None,
        records=folder.records(lambda record: record.get("trained_digest") == trained_digest),
        quarantine=folder.quarantine(),
        hold=folder.hold(),
    )
