"""The bytes that are validated: the model as it was trained, or with warm-up requests added."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from google.protobuf.message import DecodeError

from components import artifacts
from components.errors import ConfigurationError, InvalidModelError
from components.infra_validator.request_inputs import InputSpec, takes_examples
from components.infra_validator.settings import Settings
from components.infra_validator.warmup_requests import WARMUP_FILE, add_warmup
from components.records import Model
from components.saved_model import messages

SERVED_MODEL = "served_model"
_GRAPH_FILE = "saved_model.pb"


@dataclass(frozen=True)
class Candidate:
    """A directory that holds what is validated. Servers only ever get copies of it."""

    directory: Path
    digest: str
    """Of the bytes that are served."""
    trained_digest: str
    """Of the bytes as they were trained: what the blessing is about."""

    @property
    def has_warmup(self) -> bool:
        """Whether warm-up requests were added."""
        return self.digest != self.trained_digest

    def copy_to(self, target: Path) -> None:
        """Copy the bytes, so that whatever runs them can't touch the original.

        Raises:
            InvalidModelError: they aren't what they were.
        """
        copy_files(self.directory, target)
        found = artifacts.digest(target)
        if found != self.digest:
            raise InvalidModelError(
                f"the model in {str(self.directory)!r} was changed while it was validated: it had "
                f"the bytes {self.digest} and then {found}; wait until nothing writes there"
            )


def prepare(
    model: Model | str | Path, settings: Settings, rows: Sequence[bytes], staging: Path
) -> Candidate:
    """Find the model, check its bytes and add warm-up requests if that was asked for.

    Args:
        model: the record, or the directory of a SavedModel.
        settings: of the validation.
        rows: the serialized examples to warm up with.
        staging: gets ``served_model/`` where warm-up requests are added.

    Raises:
        ConfigurationError: a format that no server takes, warm-up requests that can't be added, or
            an output directory in the model's.
        InvalidModelError: the directory is none, is empty, or hasn't the bytes of the record.
    """
    source = _locate(model)
    if staging.resolve().is_relative_to(source.resolve()):
        raise ConfigurationError(
            f"the output directory is in the model's, {str(source)!r}, and would change it; give "
            "another --output-dir"
        )
    if not artifacts.list_files(source):
        raise InvalidModelError(f"{str(source)!r} is empty; expected a SavedModel directory")
    digest = artifacts.digest(source)
    if isinstance(model, Model) and digest != model.digest:
        raise InvalidModelError(
            f"the model in {model.uri!r} has the bytes {digest}, its record says "
            f"{model.digest}: it was changed after it was trained; train it again"
        )
    candidate = Candidate(source, digest, digest)
    return _add_warmup(candidate, settings, rows, staging) if settings.make_warmup else candidate


def served_model(candidate: Candidate, model: Model | str | Path, output_dir: Path) -> Model | None:
    """Return the record of the model with warm-up requests; None where none were added."""
    if not candidate.has_warmup:
        return None
    manifest = artifacts.read_manifest(candidate.directory)
    uri = str(output_dir.absolute() / SERVED_MODEL)
    if isinstance(model, Model):
        return replace(model, uri=uri, digest=manifest.digest, num_bytes=manifest.num_bytes)
    return Model(uri=uri, digest=manifest.digest, num_bytes=manifest.num_bytes)


def copy_files(source: Path, target: Path) -> None:
    """Copy all files of a directory."""
    for path in artifacts.list_files(source):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / path, target / path)


def let_all_read(base_path: Path) -> None:
    """Let a server under another user read the copies, whatever the umask; we alone get there."""
    for folder, _, names in os.walk(base_path):
        Path(folder).chmod(0o755)
        for name in names:
            (Path(folder) / name).chmod(0o644)


def _locate(model: Model | str | Path) -> Path:
    if not isinstance(model, Model):
        return Path(model)
    if model.format != "saved_model":
        raise ConfigurationError(
            f"the model in {model.uri!r} has the format {model.format!r}; only a saved_model can "
            "be started in a server"
        )
    return Path(model.uri)


def _add_warmup(
    candidate: Candidate, settings: Settings, rows: Sequence[bytes], staging: Path
) -> Candidate:
    signatures = read_signatures(candidate.directory)
    if signatures is None or not set(settings.signature_names) <= signatures.keys():
        return candidate  # not servable: the server says it better, and nothing is blessed
    target = staging / SERVED_MODEL
    inputs = {name: _examples_input(name, signatures[name]) for name in settings.signature_names}
    add_warmup(
        candidate.directory, target, rows, settings.signature_names, settings.model_name, inputs
    )
    manifest = artifacts.read_manifest(target)
    if manifest.without(WARMUP_FILE).digest != candidate.digest:
        raise InvalidModelError(
            f"the model in {str(candidate.directory)!r} was changed while it was copied; wait "
            "until nothing writes there"
        )
    return Candidate(target, manifest.digest, candidate.trained_digest)


def _examples_input(name: str, specs: Mapping[str, InputSpec]) -> str:
    if not takes_examples(specs):
        raise ConfigurationError(
            f"request_spec.make_warmup is set, but the signature {name!r} doesn't take serialized "
            "examples; leave make_warmup out, or name only signatures that do"
        )
    return next(iter(specs))


def read_signatures(model: Path) -> Mapping[str, Mapping[str, InputSpec]] | None:
    """Return the inputs of a SavedModel's signatures; None where its graph can't be read.

    Raises:
        ConfigurationError: the graph is in ``saved_model.pbtxt``, which isn't read here.
    """
    if (model / "saved_model.pbtxt").is_file() and not (model / _GRAPH_FILE).is_file():
        raise ConfigurationError(
            f"request_spec.make_warmup needs a {_GRAPH_FILE}; the model in {str(model)!r} has "
            "its graph as text"
        )
    try:
        saved = messages.SavedModel.FromString((model / _GRAPH_FILE).read_bytes())
    except (FileNotFoundError, DecodeError):
        return None
    for graph in saved.meta_graphs:
        if list(graph.meta_info_def.tags) == ["serve"]:
            return {
                name: {alias: InputSpec.of(info) for alias, info in signature.inputs.items()}
                for name, signature in graph.signature_def.items()
            }
    return None
