"""What travels between tasks: frozen dataclasses of JSON types.

Every record of `RECORD_TYPES` is written with its class name as ``type`` and with
``schema_version``. The parts inside one (`Window`, `Finding`, `Subject`, …) are plain objects
without these two, because the field that holds them already says what they are; a `Window` or
`Finding` written on its own has them, and both forms are read. Only the standard library is
used, so that a DAG file may import this module.
"""

import json
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

from components.errors import RecordError
from components.record_codec import json_line, shown
from components.record_parts import (
    Baseline,
    Bound,
    Finding,
    Inputs,
    Override,
    Part,
    Run,
    Split,
    Subject,
    Validator,
    Window,
)

__all__ = [
    "RECORD_TYPES",
    "Baseline",
    "Blessing",
    "BlessingKind",
    "Bound",
    "Examples",
    "Finding",
    "HyperParameters",
    "Inputs",
    "Model",
    "Override",
    "PushedModel",
    "Record",
    "Refusal",
    "RefusalCheck",
    "Run",
    "Schema",
    "Split",
    "Statistics",
    "Subject",
    "TransformGraph",
    "Validator",
    "Window",
    "dump",
    "from_json",
    "load",
    "now",
]

BlessingKind = Literal["data", "evaluation", "infra", "approval"]


@dataclass(frozen=True)
class _Record(Part):
    """What stands on its own: in an XCom, in a file."""

    has_envelope: ClassVar[bool] = True
    is_record: ClassVar[bool] = True


@dataclass(frozen=True)
class Examples(_Record):
    """Serialized `tf.Example`s in TFRecord files, by split."""

    uri: str
    splits: Mapping[str, Split]
    digest: str
    window: Window | None = None
    schema_uri: str | None = None


@dataclass(frozen=True)
class Statistics(_Record):
    """`DatasetFeatureStatisticsList` of each split."""

    uri: str
    digest: str
    examples_digest: str


@dataclass(frozen=True)
class Schema(_Record):
    """A `tensorflow_metadata` schema."""

    uri: str
    digest: str
    examples_digest: str


@dataclass(frozen=True)
class TransformGraph(_Record):
    """A tf.Transform output directory."""

    uri: str
    digest: str
    examples_digest: str


@dataclass(frozen=True)
class HyperParameters(_Record):
    """The values that training shall use, and where they come from."""

    uri: str
    digest: str
    examples_digest: str
    values: Mapping[str, Any]
    score: float | None = None
    trials_uri: str | None = None


@dataclass(frozen=True)
class Model(_Record):
    """A trained model: the directory `uri` has the manifest digest `digest`."""

    uri: str
    digest: str
    num_bytes: int
    format: Literal["saved_model", "tflite"] = "saved_model"
    window: Window | None = None
    examples_digest: str | None = None
    module_digest: str | None = None
    base_model_digest: str | None = None
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    train_args: Mapping[str, Any] = field(default_factory=dict)
    eval_model_uri: str | None = None


@dataclass(frozen=True)
class Blessing(_Record):
    """A verdict on exactly the bytes of `subject`."""

    kind: BlessingKind
    blessed: bool
    subject: Subject
    findings: tuple[Finding, ...]
    validator: Validator
    issued_at: str
    inputs: Inputs | None = None
    baseline: Baseline | None = None
    served_model: Model | None = None
    destination: str | None = None
    overrides: tuple[Override, ...] = ()
    report_uri: str | None = None
    run: Run | None = None
    signature: str | None = None

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings that did not pass."""
        return tuple(finding for finding in self.findings if not finding.passed)


@dataclass(frozen=True)
class PushedModel(_Record):
    """A version that is live, and why it may be.

    `findings` say what was not checked, for instance the order over a foreign version.
    """

    outcome: Literal["pushed", "already_live"]
    version: str
    uri: str
    digest: str
    trained_digest: str
    previous_version: str | None = None
    window: Window | None = None
    blessings: tuple[Blessing, ...] = ()
    replayed: bool = False
    run: Run | None = None
    findings: tuple[Finding, ...] = ()


RefusalCheck = Literal[
    "blessing_missing",
    "not_blessed",
    "other_bytes",
    "hold",
    "quarantined",
    "superseded",
    "older_than_live",
    "stale_baseline",
    "empty_window",
    "bad_signature",
    "data_not_blessed",
    "policy",
    "live_changed",
]


@dataclass(frozen=True)
class Refusal(_Record):
    """A decision not to go on, with the reasons; the first finding is the one that decided.

    `model_digest` is null where there is no model yet (`empty_window`, `data_not_blessed`).
    """

    findings: tuple[Finding, ...]
    model_digest: str | None = None
    live_version: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        known = typing.get_args(RefusalCheck)
        if not self.findings or self.findings[0].check not in known:
            raise RecordError(
                f"Refusal.findings must begin with a check that is one of {', '.join(known)}; "
                f"got {[finding.check for finding in self.findings]!r}"
            )

    @property
    def check(self) -> str:
        """The rule that decided."""
        return self.findings[0].check


Record = (
    Examples
    | Statistics
    | Schema
    | TransformGraph
    | HyperParameters
    | Model
    | Blessing
    | PushedModel
    | Refusal
)
RECORD_TYPES: tuple[type[_Record], ...] = typing.get_args(Record)


def from_json(value: Mapping[str, Any]) -> Record:
    """Read a record of whatever type it says it is.

    Raises:
        RecordError: as `Model.from_json` and the like; also for a type that isn't known.
    """
    if not isinstance(value, Mapping):
        raise RecordError(f"expected a record, a JSON object with a type; got {shown(value)}")
    by_name = {cls.__name__: cls for cls in RECORD_TYPES}
    cls = by_name.get(str(value.get("type")))
    if cls is None:
        raise RecordError(
            f"type is {value.get('type')!r}; expected one of {', '.join(sorted(by_name))}"
        )
    return typing.cast(Record, cls.from_json(value))


def load(source: str | Path) -> Record:
    """Read a record from a path to a JSON file, or from JSON text.

    Raises:
        RecordError: no such file, not JSON, or not a record.
    """
    text = str(source)
    if not text.lstrip().startswith("{"):
        try:
            text = Path(text).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RecordError(
                f"no record can be read from {str(source)!r}: {error}; "
                "give the path of a record.json, or the record as JSON"
            ) from error
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except RecordError:
        raise
    except (ValueError, RecursionError) as error:  # also of numbers too long, nesting too deep
        raise RecordError(f"{shown(str(source))} isn't JSON: {error}") from error
    return from_json(value)


def dump(record: Part) -> str:
    """Return the record as one line of JSON."""
    return json_line(record.to_json())


def now() -> str:
    """Return the wall time as `Blessing.issued_at` holds it. It orders nothing."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _refuse_constant(text: str) -> Any:
    raise RecordError(f"the JSON holds {text}; numbers in records are finite: write null")
