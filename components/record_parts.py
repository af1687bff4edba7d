"""What records are made of: windows, findings, and who said what about which bytes."""

import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, Self

from components.errors import RecordError
from components.record_codec import check, decode, encode, envelope_of, hints_of


@dataclass(frozen=True)
class Part:
    """Common reading and writing of all records and their parts."""

    has_envelope: ClassVar[bool] = False
    is_record: ClassVar[bool] = False

    def to_json(self) -> dict[str, Any]:
        """Return the record as a dict of JSON types."""
        encoded: dict[str, Any] = encode(self)
        return {**envelope_of(type(self)), **encoded} if self.has_envelope else encoded

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read one.

        Raises:
            RecordError: an unknown type, a newer schema version, an unknown or missing field, or a
                value of the wrong type; the message names the field.
        """
        return typing.cast(Self, decode(cls, value, path=cls.__name__))

    def __post_init__(self) -> None:
        for name, hint in hints_of(type(self)).items():
            checked = check(hint, getattr(self, name), f"{type(self).__name__}.{name}")
            object.__setattr__(self, name, checked)


@dataclass(frozen=True)
class Window(Part):
    """The span of data time `[start, end)`, in UTC and whole seconds.

    ISO 8601 text; a time without an offset is read as UTC and all are written with ``Z``.
    """

    has_envelope: ClassVar[bool] = True

    start: str
    end: str

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("start", "end"):
            object.__setattr__(self, name, _utc_text(getattr(self, name), f"Window.{name}"))
        if self.end_time <= self.start_time:
            raise RecordError(
                f"Window.end is {self.end}, not after Window.start {self.start}; "
                "the end is exclusive, so a window must be at least one second long"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``START/END``, for instance ``2013-01-01/2013-02-01``."""
        start, slash, end = text.partition("/")
        if not slash:
            raise RecordError(
                f"window is {text!r}; expected START/END, for instance 2013-01-01/2013-02-01"
            )
        return cls(start=start, end=end)

    @property
    def start_time(self) -> datetime:
        """The first moment inside."""
        return datetime.fromisoformat(self.start)

    @property
    def end_time(self) -> datetime:
        """The first moment after."""
        return datetime.fromisoformat(self.end)

    def __str__(self) -> str:
        return f"{self.start}/{self.end}"


@dataclass(frozen=True)
class Split(Part):
    """The files of one split."""

    file_pattern: str
    """A glob relative to `Examples.uri`."""
    num_examples: int


@dataclass(frozen=True)
class Bound(Part):
    """A closed range; null means open on that side."""

    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True)
class Finding(Part):
    """One thing that was checked, and what was seen."""

    has_envelope: ClassVar[bool] = True

    check: str
    passed: bool
    message: str
    """One sentence that a person understands."""
    metric: str | None = None
    slice: Mapping[str, Any] = field(default_factory=dict)
    """Feature name → value; empty means overall."""
    observed: float | None = None
    bound: Bound | None = None
    baseline: float | None = None
    interval: Bound | None = None


@dataclass(frozen=True)
class Subject(Part):
    """The bytes that a blessing is about."""

    type: Literal["examples", "model"]
    digest: str


@dataclass(frozen=True)
class Inputs(Part):
    """What an evaluation was made from."""

    examples_digest: str
    eval_config_digest: str


@dataclass(frozen=True)
class Baseline(Part):
    """What a candidate was compared with; version and digest are null where nothing was live."""

    base_directory: str | None = None
    version: str | None = None
    digest: str | None = None


@dataclass(frozen=True)
class Override(Part):
    """A person's decision to let one failed finding pass; stands in an approval only."""

    check: str
    metric: str | None
    slice: Mapping[str, Any]
    reason: str
    by: str
    observed: float | None = None
    bound: Bound | None = None


@dataclass(frozen=True)
class Validator(Part):
    """What issued a blessing."""

    name: str
    version: str
    image_digest: str | None = None


@dataclass(frozen=True)
class Run(Part):
    """The task instance that made a record."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    try_number: int = 1
    dag_version: str | None = None
    bundle_version: str | None = None
    git_commit: str | None = None


def _utc_text(text: str, path: str) -> str:
    try:
        moment = datetime.fromisoformat(text.strip())
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise RecordError(
            f"{path} is {text!r}; expected an ISO 8601 time, for instance 2013-01-01T00:00:00Z"
        ) from error
    if moment.microsecond:
        raise RecordError(f"{path} is {text!r}; expected whole seconds")
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
