"""One row of the report: what a record says, in a few words."""

from dataclasses import asdict, dataclass
from typing import Any

from components.records import (
    Blessing,
    Examples,
    HyperParameters,
    Model,
    PushedModel,
    Record,
    Refusal,
)
from operators._component_task import reasons

_DIGEST_CHARACTERS = len("sha256:") + 12


@dataclass(frozen=True)
class Row:
    """What one task did."""

    task_id: str
    result: str
    why: str

    def to_json(self) -> dict[str, str]:
        """Return JSON types."""
        return asdict(self)


def row_of(task_id: str, record: Record | None, window_rule: str | None = None) -> Row:
    """Describe what a task returned, or refused."""
    describe: dict[type[Any], Any] = {
        Examples: _examples,
        Model: _model,
        Blessing: _blessing,
        PushedModel: _pushed,
        Refusal: _refusal,
        HyperParameters: _hyperparameters,
    }
    if record is None:
        return Row(task_id, "skipped", "left no record")
    result, why = describe.get(type(record), _other)(record)
    return Row(task_id, result, f"{why} ({window_rule})" if window_rule else why)


def _examples(record: Examples) -> tuple[str, str]:
    counts = ", ".join(
        f"{name} {split.num_examples:,}" for name, split in sorted(record.splits.items())
    )
    return "done", f"{record.window or 'no window'}: {counts} examples"


def _model(record: Model) -> tuple[str, str]:
    digest = record.digest[:_DIGEST_CHARACTERS]
    return "done", f"{digest}, {record.num_bytes:,} bytes, seen {record.window or 'no window'}"


def _blessing(record: Blessing) -> tuple[str, str]:
    if record.kind == "approval":
        return ("approved" if record.blessed else "not approved"), reasons(record.findings)
    if record.blessed:
        return "blessed", f"all {len(record.findings)} checks passed; {_compared(record)}"
    return "not blessed", f"{reasons(record.failures)}; {_compared(record)}"


def _compared(record: Blessing) -> str:
    if record.kind != "evaluation":
        return record.kind
    if record.baseline is None or record.baseline.digest is None:
        return "compared with nothing: nothing was live"
    return f"compared with {record.baseline.version or record.baseline.digest}"


def _pushed(record: PushedModel) -> tuple[str, str]:
    if record.outcome == "already_live":
        return record.outcome, f"version {record.version} is these very bytes already"
    before = f"after {record.previous_version}" if record.previous_version else "the first one"
    return record.outcome, f"version {record.version}, {before}, in {record.uri}"


def _refusal(record: Refusal) -> tuple[str, str]:
    live = f"; live stays {record.live_version}" if record.live_version else ""
    return "refused", f"{record.check}: {reasons(record.findings)}{live}"


def _hyperparameters(record: HyperParameters) -> tuple[str, str]:
    values = ", ".join(f"{name} {value}" for name, value in record.values.items())
    return "done", values if record.score is None else f"{values}; its score was {record.score:g}"


def _other(record: Record) -> tuple[str, str]:
    return "done", type(record).__name__
