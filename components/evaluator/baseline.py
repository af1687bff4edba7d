"""What a candidate is compared with: the version that is live, or a given model."""

import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from components import artifacts, records
from components.errors import ArtifactError, ConfigurationError, InvalidModelError
from components.records import Baseline, Model
from components.serving_folder import ServingFolder, Version
from components.version_files import is_servable

_NUM_TRIES = 5
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Comparison:
    """What there is to compare with.

    Attributes:
        record: what the blessing says of it; None if no baseline was given.
        directory: the model's bytes; None if there is none.
        title: how sentences call it.
    """

    record: Baseline | None
    directory: Path | None
    title: str


def read_baseline(source: Model | str | Path | None) -> Model | ServingFolder | None:
    """Return what a baseline argument means.

    Args:
        source: a `Model`; its record's path or JSON; a SavedModel directory, or one that holds a
            model's ``record.json``; any other directory is a serving folder, which needn't exist.

    Raises:
        ConfigurationError: a file that is no record of a model.
        RecordError: a record that can't be read.
    """
    if source is None or isinstance(source, Model):
        return source
    model = read_model_if_any(source)
    return ServingFolder(source) if model is None else model


def read_model_if_any(source: str | Path) -> Model | None:
    """Return the model that a path or JSON stands for; None for a directory without one.

    Raises:
        ConfigurationError: the record of something else.
        RecordError: a record that can't be read.
    """
    text, path = str(source), Path(source)
    if not text.strip():
        raise ConfigurationError("a model is given as empty text; expected a path or a record")
    if not text.lstrip().startswith("{"):
        if is_servable(path):
            manifest = artifacts.read_manifest(path)
            return Model(
                uri=str(path.absolute()), digest=manifest.digest, num_bytes=manifest.num_bytes
            )
        if path.is_dir() or not (path.exists() or path.suffix == ".json"):
            path = path / artifacts.RECORD_FILE
            if not path.is_file():
                return None
        text = str(path)
    record = records.load(text)
    if not isinstance(record, Model):
        raise ConfigurationError(
            f"{text!r} is the record of {type(record).__name__}; expected Model"
        )
    return record


def take_snapshot(baseline: Model | ServingFolder | None, scratch: Path) -> Comparison:
    """Keep the baseline's bytes from being swept away while they are looked at.

    Args:
        baseline: a plain model isn't copied; of a serving folder, the live version is.
        scratch: a directory that doesn't exist yet. Hard links where its file system allows.

    Raises:
        InvalidModelError: the bytes aren't those that the record names.
        ArtifactError: the live version kept changing.
    """
    if baseline is None:
        return Comparison(None, None, "no baseline")
    if isinstance(baseline, Model):
        verify(baseline, "the baseline")
        return Comparison(Baseline(digest=baseline.digest), Path(baseline.uri), "baseline model")
    for _ in range(_NUM_TRIES):
        live = baseline.live()
        if live is None:
            _log.info("nothing is live in %s", baseline.base_directory)
            return Comparison(Baseline(base_directory=baseline.identity), None, "nothing live")
        try:
            _link(live, scratch)
        except (FileNotFoundError, ArtifactError):
            _log.info("version %s went away while it was read; looking again", live.number)
            shutil.rmtree(scratch, ignore_errors=True)
            continue
        return _compared(baseline, live, scratch)
    raise ArtifactError(
        f"the live version in {str(baseline.base_directory)!r} can't be read: it changed "
        f"{_NUM_TRIES} times, or holds what a model can't; see 'pusher lint'"
    )


def verify(model: Model, name: str) -> None:
    """Check that a model's directory holds the bytes that its record names.

    Raises:
        InvalidModelError: it doesn't.
    """
    found = artifacts.digest(model.uri)
    if found != model.digest:
        raise InvalidModelError(
            f"{name} in {model.uri!r} has the digest {found}, but its record says {model.digest}: "
            "something changed it; train it again"
        )


def _compared(folder: ServingFolder, live: Version, directory: Path) -> Comparison:
    found = artifacts.digest(directory)
    if live.digest is not None and found != live.digest:
        raise InvalidModelError(
            f"the live version {live.number} in {str(folder.base_directory)!r} has the digest "
            f"{found}, but its record says {live.digest}: something changed it after it was "
            "pushed; roll back, or push again"
        )
    record = Baseline(base_directory=folder.identity, version=str(live.number), digest=found)
    return Comparison(record, directory, f"live version {live.number}")


def _link(version: Version, target: Path) -> None:
    """Copy a version, by hard links if possible; one of somebody else's may hold symlinks."""
    source, is_foreign = version.path, version.record is None
    paths = artifacts.list_foreign_files(source) if is_foreign else artifacts.list_files(source)
    if not paths:
        raise FileNotFoundError(source)
    for path in paths:
        copy = target / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link((source / path).resolve(strict=True), copy)
        except FileNotFoundError:
            raise
        except OSError:  # another file system, or one that isn't ours to link
            shutil.copyfile(source / path, copy)
