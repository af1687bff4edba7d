"""What a push comes to, decided from facts alone; the first rule that matches wins.

The order is the contract: replay, blessings, hold, quarantine, already live, superseded, older
than live, stale baseline, go. Nothing here reads or changes a file.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from components.pusher import blessings, quarantine
from components.pusher.request import Candidate, PushRequest
from components.records import Blessing, Finding, Refusal, Run
from components.serving_folder import Version
from components.serving_records import Hold, Quarantine, VersionRecord


@dataclass(frozen=True)
class Facts:
    """A serving folder as it is under its lock."""

    identity: str
    live: Version | None
    live_digest: str | None
    """Of the bytes that are served; null if nothing is."""
    records: Sequence[VersionRecord]
    """Of versions, there or gone, with the candidate's trained digest."""
    quarantine: Quarantine
    hold: Hold | None


@dataclass(frozen=True)
class Replay:
    """This very task pushed this very model before."""

    record: VersionRecord


@dataclass(frozen=True)
class AlreadyLive:
    """The same model is live."""

    version: Version


@dataclass(frozen=True)
class Stale:
    """Something else became live since the evaluation compared."""

    blessing: Blessing
    refusal: Refusal


@dataclass(frozen=True)
class Go:
    """Push it."""

    findings: tuple[Finding, ...] = ()
    """What was not checked."""


Decision = Replay | AlreadyLive | Stale | Go | Refusal
_Rule = Callable[[PushRequest, Candidate, Facts], Decision | None]


def decide(request: PushRequest, candidate: Candidate, facts: Facts) -> Decision:
    """Apply the rules, in their order.

    Raises:
        ConfigurationError: an evaluation was made against another serving folder.
    """
    outcomes = (rule(request, candidate, facts) for rule in _RULES)
    decided = next((outcome for outcome in outcomes if outcome is not None), None)
    return decided if decided is not None else Go(_unchecked_order(facts))


def refuse_without_model(request: PushRequest, facts: Facts) -> Refusal:
    """Return why a push without a model is refused: its blessings, or that there is none."""
    objections = blessings.objections(request, request.candidate, facts.identity)
    return refusal(request, facts, *objections)


def refusal(request: PushRequest, facts: Facts, *findings: Finding) -> Refusal:
    """Return a refusal that names the model and what is live instead."""
    candidate = request.candidate
    return Refusal(
        findings=findings,
        model_digest=candidate.trained_digest if candidate is not None else None,
        live_version=str(facts.live.number) if facts.live is not None else None,
    )


def same_task(one: Run | None, other: Run | None) -> bool:
    """Return whether two records come from tries of one task instance."""
    return (
        one is not None
        and other is not None
        and (one.dag_id, one.run_id, one.task_id, one.map_index)
        == (other.dag_id, other.run_id, other.task_id, other.map_index)
    )


def _replay(request: PushRequest, candidate: Candidate, facts: Facts) -> Decision | None:
    ours = [
        record
        for record in facts.records
        if same_task(record.run, request.options.run) and not _may_come_again(record)
    ]
    if not ours:
        return None
    record = ours[-1]
    if record.state in ("committed", "confirmed"):
        return Replay(record)
    if record.withdrawal is not None:
        message = (
            f"this task pushed the model as {record.version}, and that was withdrawn on "
            f"{record.withdrawal.at}: {record.withdrawal.reason}; 'pusher release' allows it again"
        )
        return refusal(request, facts, Finding("quarantined", False, message))
    message = f"this task pushed the model as {record.version}, which was removed since"
    return refusal(request, facts, Finding("superseded", False, message))


def _not_blessed(request: PushRequest, candidate: Candidate, facts: Facts) -> Decision | None:
    objections = blessings.objections(request, candidate, facts.identity)
    return refusal(request, facts, *objections) if objections else None


def _on_hold(request: PushRequest, candidate: Candidate, facts: Facts) -> Decision | None:
    hold = facts.hold
    if hold is None:
        return None
    by = f" by {hold.by}" if hold.by else ""
    message = (
        f"pushes to this folder are on hold since {hold.at}{by}: {hold.reason}; "
        "'pusher resume' ends that"
    )
    return refusal(request, facts, Finding("hold", False, message))


def _quarantined(request: PushRequest, candidate: Candidate, facts: Facts) -> Decision | None:
    digests = (candidate.digest, candidate.trained_digest)
    entry = quarantine.find(facts.quarantine.active, digests=digests, recipe=candidate.recipe)
    if entry is None:
        return None
    same = (
        "the same bytes as"
        if {entry.digest, entry.trained_digest} & {*digests}
        else ("trained from the same code, data and settings as")
    )
    message = (
        f"this model is {same} {entry.version}, which is in quarantine since {entry.at}: "
        f"{entry.reason}; 'pusher release … {entry.version}' allows it again"
    )
    return refusal(request, facts, Finding("quarantined", False, message))


def _already_live(request: PushRequest, candidate: Candidate, facts: Facts) -> Decision | None:
    live = facts.live
    if live is None:
        return None
    if live.record is None:
        same = facts.live_digest in (candidate.digest, candidate.trained_digest)
    else:
        same = live.trained_digest == candidate.trained_digest
    return AlreadyLive(live) if same else None


def _superseded(request: PushRequest, candidate: Candidate, facts: Facts) -> Decision | None:
    for record in facts.records:
        if not _may_come_again(record):
            since = (
                "its folder was removed since; to publish anew train again"
                if record.state == "removed"
                else "something newer took its place; to go back to it use 'pusher rollback', to "
                "publish anew train again"
            )
            message = f"this model was published as {record.version} before and {since}"
            return refusal(request, facts, Finding("superseded", False, message))
    return None


def _older_than_live(request: PushRequest, candidate: Candidate, facts: Facts) -> Decision | None:
    live, window = facts.live, candidate.model.window
    if request.options.allow_older or live is None or live.window is None:
        return None
    if window is not None and window.end_time >= live.window.end_time:
        return None
    seen = f"has seen data until {window.end}" if window is not None else "has no data window"
    message = (
        f"this model {seen}; the live version {live.number} has seen data until "
        f"{live.window.end}: publishing it would go back in time; allow_older (--allow-older) "
        "allows that"
    )
    return refusal(request, facts, Finding("older_than_live", False, message))


def _stale(request: PushRequest, candidate: Candidate, facts: Facts) -> Decision | None:
    for blessing in request.blessings:
        baseline = blessing.baseline
        if baseline is None or baseline.base_directory is None:
            continue
        if baseline.digest != facts.live_digest:
            compared = f"version {baseline.version}" if baseline.digest is not None else "nothing"
            live = facts.live.number if facts.live is not None else "nothing"
            message = (
                f"its {blessing.kind} compared with {compared}, but live is {live} now: evaluate "
                "again, or let the pusher do so by reevaluate_with"
            )
            finding = Finding("stale_baseline", False, message)
            return Stale(blessing, refusal(request, facts, finding))
    return None


_RULES: tuple[_Rule, ...] = (
    _replay,
    _not_blessed,
    _on_hold,
    _quarantined,
    _already_live,
    _superseded,
    _older_than_live,
    _stale,
)


def _may_come_again(record: VersionRecord) -> bool:
    """Whether the bytes may be pushed a second time: never proven bad, or released."""
    withdrawal = record.withdrawal
    return withdrawal is not None and (
        withdrawal.released or withdrawal.cause in ("unconfirmed", "damaged")
    )


def _unchecked_order(facts: Facts) -> tuple[Finding, ...]:
    live = facts.live
    if live is None or live.record is not None:
        return ()
    message = (
        f"the live version {live.number} was not pushed by Imprimatur and has no data window: "
        "whether this model is newer was not checked"
    )
    return (Finding("order_unchecked", True, message),)
