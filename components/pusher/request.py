"""What is asked of the pusher, checked before anything is touched."""

import json
import re
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from components.errors import ConfigurationError, RecordError
from components.pusher.lock import TIMEOUT_SECONDS
from components.pusher.provenance import Signer
from components.pusher.quarantine import recipe_digest
from components.record_codec import shown
from components.records import Blessing, BlessingKind, Finding, Model, Run
from components.version_files import MAX_VERSION

REQUIRED_KINDS: tuple[BlessingKind, ...] = ("evaluation", "infra")
_MAX_SECONDS = 7 * 24 * 3600.0
_NEEDED_TO_REEVALUATE = {"examples", "eval_config"}
_POLICIES_OF_REEVALUATION = {"example_splits", "first_run", "missing_slice", "without_thresholds"}


@dataclass(frozen=True)
class Candidate:
    """The bytes that shall be pushed, and the model that they come from."""

    source: Path
    model: Model
    digest: str
    """Of the bytes at `source`."""
    trained_digest: str
    """Of the model as it was trained: the same, or the same without warm-up requests."""

    @property
    def recipe(self) -> str | None:
        """What the model was trained from."""
        return recipe_digest(self.model)


@dataclass(frozen=True)
class Confirm:
    """Which servers must say that they serve the new version."""

    urls: tuple[str, ...]
    model_name: str
    timeout_seconds: float = 360.0


@dataclass(frozen=True)
class Options:
    """How to push."""

    required_kinds: tuple[BlessingKind, ...] = REQUIRED_KINDS
    version: int | None = None
    keep_versions: int = 5
    allow_older: bool = False
    confirm: Confirm | None = None
    reevaluate_with: Mapping[str, Any] | None = None
    run: Run | None = None
    signing_key: bytes | None = field(default=None, repr=False)
    model_signer: Signer | None = field(default=None, repr=False)
    lock_timeout_seconds: float = TIMEOUT_SECONDS


@dataclass(frozen=True)
class PushRequest:
    """One push: what, where to, on whose word, and how."""

    base_directory: Path
    model: Model | None
    blessings: tuple[Blessing, ...]
    malformed: tuple[Finding, ...]
    """One for each blessing given that can't be read."""
    options: Options

    @property
    def candidate(self) -> Candidate | None:
        """The model with warm-up requests if an infra blessing carries one, else the model."""
        served = next((b.served_model for b in self.blessings if b.served_model is not None), None)
        if served is None:
            model = self.model
            if model is None:
                return None
            return Candidate(_local_path(model), model, model.digest, model.digest)
        blessing = next(b for b in self.blessings if b.served_model is served)
        trained = self.model.digest if self.model is not None else blessing.subject.digest
        return Candidate(_local_path(served), self.model or served, served.digest, trained)


@dataclass(frozen=True)
class Unreadable:
    """A blessing that was given and is no JSON: it blesses nothing."""

    reason: str


def read_blessings(
    given: Sequence[Blessing | Mapping[str, Any] | Unreadable | None],
) -> tuple[tuple[Blessing, ...], tuple[Finding, ...]]:
    """Return the blessings, None left out, and a finding for each that can't be read."""
    blessings: list[Blessing] = []
    malformed: list[Finding] = []
    for item in given:
        try:
            if isinstance(item, Unreadable):
                malformed.append(_malformed(item.reason))
            elif item is not None:
                blessings.append(item if isinstance(item, Blessing) else Blessing.from_json(item))
        except RecordError as error:
            malformed.append(_malformed(error))
    return tuple(blessings), tuple(malformed)


def _malformed(reason: object) -> Finding:
    message = f"a blessing can't be read, so it blesses nothing: {reason}"
    return Finding("not_blessed", False, message)


def read_object(text: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ConfigurationError: it isn't one.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:  # also of numbers too long, nesting too deep
        raise ConfigurationError(f"it isn't JSON: {error}") from error
    if not isinstance(value, dict):
        raise ConfigurationError(f"it is {shown(value)}, not a JSON object")
    return value


def read_model(given: Model | Mapping[str, Any] | None) -> Model | None:
    """Return the model record.

    Raises:
        RecordError: it is none.
    """
    return given if given is None or isinstance(given, Model) else Model.from_json(given)


def read_destination(push_destination: Mapping[str, Any]) -> Path:
    """Read TFX's PushDestination, ``{"filesystem": {"base_directory": DIR}}``.

    Raises:
        ConfigurationError: it has another shape.
    """
    try:
        filesystem = push_destination["filesystem"]
        directory = filesystem["base_directory"]
        exact = len(push_destination) == len(filesystem) == 1
    except (KeyError, TypeError):
        directory, exact = None, False
    if not exact or not isinstance(directory, str | Path) or not str(directory):
        raise ConfigurationError(
            f"push_destination is {shown(push_destination)}; "
            "expected {'filesystem': {'base_directory': DIR}}"
        )
    return _local(str(directory), "base_directory")


def read_required_kinds(given: Sequence[str]) -> tuple[BlessingKind, ...]:
    """Return the kinds of blessing that must be there.

    Raises:
        ConfigurationError: one isn't known, or none is given.
    """
    known = typing.get_args(BlessingKind)
    if isinstance(given, str) or not given or any(kind not in known for kind in given):
        raise ConfigurationError(
            f"required_kinds is {given!r}; expected a list of at least one of {', '.join(known)}"
        )
    return typing.cast("tuple[BlessingKind, ...]", tuple(given))


def read_version(given: int | str | None, name: str = "version") -> int | None:
    """Return a version number.

    Raises:
        ConfigurationError: it isn't a positive 64-bit integer.
    """
    if given is None:
        return None
    text = str(given)
    if not re.fullmatch(r"[1-9][0-9]{0,18}", text, re.ASCII) or int(text) > MAX_VERSION:
        raise ConfigurationError(
            f"{name} is {given!r}; expected a whole number from 1 to {MAX_VERSION}, "
            "without leading zeros, as TensorFlow Serving reads folder names"
        )
    return int(text)


def read_confirm(given: Mapping[str, Any] | None, base_directory: Path) -> Confirm | None:
    """Read ``{"urls": […], "model_name": NAME, "timeout_seconds": 360}``; the last two may lack.

    Raises:
        ConfigurationError: another shape, or no URL.
    """
    if given is None:
        return None
    urls = given.get("urls")
    timeout = given.get("timeout_seconds", 360.0)
    name = given.get("model_name") or base_directory.name
    well_formed = (
        not given.keys() - {"urls", "model_name", "timeout_seconds"}
        and isinstance(urls, list | tuple)
        and all(isinstance(url, str) and _is_http(url) for url in urls)
        and isinstance(timeout, int | float)
        and 0 < timeout <= _MAX_SECONDS
        and isinstance(name, str)
    )
    if not well_formed or not urls:
        raise ConfigurationError(
            f"confirm is {shown(given)}; expected {{'urls': ['http://HOST:8501', …], "
            "'model_name': NAME, 'timeout_seconds': 360}"
        )
    return Confirm(tuple(url.rstrip("/") for url in urls), name, float(timeout))


def _is_http(text: str) -> bool:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return False
    return url.scheme in ("http", "https") and bool(url.host)


def read_keep_versions(given: int) -> int:
    """Return how many versions retention keeps.

    Raises:
        ConfigurationError: fewer than 2, so that nothing would be left to roll back to.
    """
    if isinstance(given, bool) or not isinstance(given, int) or given < 2:
        raise ConfigurationError(
            f"keep_versions is {given!r}; expected 2 or more: a rollback needs somewhere to go"
        )
    return given


def read_reevaluation(given: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Check the keys of ``reevaluate_with``.

    Raises:
        ConfigurationError: an unknown key, no examples or eval_config, or a `without_thresholds`
            that isn't true or false.
    """
    if given is None:
        return None
    keys = set(given)
    if (
        keys - _NEEDED_TO_REEVALUATE - _POLICIES_OF_REEVALUATION
        or not keys >= _NEEDED_TO_REEVALUATE
    ):
        raise ConfigurationError(
            f"reevaluate_with has {sorted(keys)}; expected {sorted(_NEEDED_TO_REEVALUATE)}, "
            f"and perhaps {sorted(_POLICIES_OF_REEVALUATION)}"
        )
    if not isinstance(given.get("without_thresholds", False), bool):
        raise ConfigurationError(
            f"reevaluate_with has without_thresholds {given['without_thresholds']!r}; expected "
            "true or false"
        )
    return given


def _local_path(model: Model) -> Path:
    return _local(model.uri, "Model.uri")


def _local(uri: str, name: str) -> Path:
    scheme, separator, rest = uri.partition("://")
    if separator and (scheme != "file" or not rest.startswith("/")):
        raise ConfigurationError(
            f"{name} is {uri!r}; expected a local directory (a bucket is no serving folder: "
            "see 'pusher mirror' and 'pusher pull')"
        )
    path = rest if separator else uri
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError(f"{name} is {uri!r}, which isn't UTF-8; rename it") from error
    if "\0" in path:
        raise ConfigurationError(f"{name} is {uri!r}; a path holds no NUL")
    return Path(path)
