"""The models of a serving root, one line each: what is live, how old its data is, what is amiss."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from components.looking import Look
from components.record_parts import Part
from components.records import Run, Window
from components.serving_folder import STATE_DIRECTORY, ServingFolder, Version
from components.serving_records import Hold, Quarantined
from components.version_files import version_number


@dataclass(frozen=True)
class ModelSummary(Part):
    """One serving folder at one moment."""

    name: str
    """The folder's name: what clients of the model server ask for."""
    base_directory: str
    live_version: str | None = None
    digest: str | None = None
    """Of the live version's served bytes; null if nothing is live or it is foreign."""
    window: Window | None = None
    """The data that the live version has seen; null if that isn't known."""
    data_age_seconds: float | None = None
    """From the end of that window until now."""
    pushed_at: str | None = None
    run: Run | None = None
    """The run that pushed the live version."""
    num_versions: int = 0
    """Folders that may be served, the live one among them."""
    num_withdrawn: int = 0
    hold: Hold | None = None
    quarantine: tuple[Quarantined, ...] = ()
    """What may not be pushed until it is released."""
    problems: tuple[str, ...] = ()
    """What couldn't be read, in one sentence each."""

    @property
    def dag_ids(self) -> frozenset[str]:
        """The DAGs that it belongs to: that of its name, and the one that pushed it."""
        return frozenset({self.name} | ({self.run.dag_id} if self.run is not None else set()))


def list_models(root: Path, *, now: datetime | None = None) -> list[ModelSummary]:
    """Return all models below a serving root, by name; none if the root doesn't exist.

    Args:
        root: holds one serving folder per model.
        now: what ages are counted from; default: the present.

    Raises:
        OSError: the root can't be read.
    """
    return [_summary(root / name, now or datetime.now(UTC)) for name in _names(root)]


def find_model(root: Path, name: str, *, now: datetime | None = None) -> ModelSummary | None:
    """Return one model; None if there is no such folder.

    The name is looked up among the folders that are there, so none leads out of the root.

    Raises:
        OSError: the root can't be read.
    """
    if name not in _names(root):
        return None
    return _summary(root / name, now or datetime.now(UTC))


def _names(root: Path) -> list[str]:
    """Return the folders that a model server could be pointed at."""
    try:
        with os.scandir(root) as entries:
            return sorted(entry.name for entry in entries if _is_serving_folder(entry))
    except FileNotFoundError:
        return []


def _is_serving_folder(entry: "os.DirEntry[str]") -> bool:
    if entry.name.startswith(".") or not entry.is_dir():
        return False
    try:
        names = os.listdir(entry.path)
    except OSError:
        return True  # named as a problem rather than left out
    return STATE_DIRECTORY in names or any(version_number(name) is not None for name in names)


def _summary(path: Path, now: datetime) -> ModelSummary:
    folder = ServingFolder(path)
    look = Look()
    nothing: Version | None = None
    live = look.attempt(folder.live, nothing)
    record = live.record if live is not None else None
    window = live.window if live is not None else None
    return ModelSummary(
        name=path.name,
        base_directory=str(folder.base_directory),
        live_version=str(live.number) if live is not None else None,
        digest=live.digest if live is not None else None,
        window=window,
        data_age_seconds=(now - window.end_time).total_seconds() if window is not None else None,
        pushed_at=record.pushed_at if record is not None else None,
        run=record.run if record is not None else None,
        num_versions=look.attempt(lambda: len(folder.numbered()), 0),
        num_withdrawn=look.attempt(lambda: len(folder.withdrawn()), 0),
        hold=look.attempt(folder.hold, None),
        quarantine=look.attempt(lambda: folder.quarantine().active, ()),
        problems=look.problems,
    )
