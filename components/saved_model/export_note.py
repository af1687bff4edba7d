"""What a graph can't say of an export: kept beside it in ``assets.extra/reusable.json``.

Servers and TensorFlow ignore that folder. The lint and the model card read it.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from components.errors import InvalidModelError

FILE = "assets.extra/reusable.json"


@dataclass(frozen=True)
class ExportNote:
    """What was known when the model was exported."""

    hyperparameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Argument of ``__call__`` → its ``default`` and the ``targets`` that it stands for."""
    optimizer: str | None = None
    optimizer_regularization: dict[str, float] = field(default_factory=dict)
    """Setting of the optimizer → value; lost, because the optimizer isn't exported."""
    num_lost_losses: int = 0
    """Losses that depend on inputs, which can't be exported."""
    versions: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return JSON types."""
        return asdict(self)

    @property
    def warnings(self) -> list[str]:
        """One sentence on each thing that is lost."""
        found = []
        if self.optimizer_regularization:
            settings = ", ".join(f"{k}={v:g}" for k, v in self.optimizer_regularization.items())
            found.append(
                f"the optimizer {self.optimizer} regularizes ({settings}); that is lost: tell "
                "those who fine-tune the model, or use weight regularizers, which are kept"
            )
        if self.num_lost_losses:
            found.append(
                f"{self.num_lost_losses} losses depend on inputs (activity regularizers or "
                "add_loss); they are lost: tell those who fine-tune the model"
            )
        return found


def write(directory: Path, note: ExportNote) -> None:
    """Write the note into a SavedModel."""
    path = directory / FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(note.to_json(), indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read(directory: Path) -> ExportNote:
    """Return the note of a SavedModel; an empty one where it has none.

    Raises:
        InvalidModelError: it can't be read.
    """
    path = directory / FILE
    if not path.is_file():
        return ExportNote()
    try:
        note = ExportNote(**json.loads(path.read_text(encoding="utf-8")))
        _check(note)
    except (OSError, ValueError, TypeError) as error:
        raise InvalidModelError(
            f"{str(path)!r} can't be read: {error}; export the model again, or remove the file"
        ) from error
    return note


def _check(note: ExportNote) -> None:
    """Refuse what `write` doesn't write, whoever did.

    Raises:
        TypeError: naming the field.
    """
    arguments = note.hyperparameters
    is_right = {
        "hyperparameters": isinstance(arguments, dict)
        and all(map(_is_argument, arguments.values())),
        "optimizer": isinstance(note.optimizer, str | None),
        "optimizer_regularization": isinstance(note.optimizer_regularization, dict)
        and all(map(_is_number, note.optimizer_regularization.values())),
        "num_lost_losses": type(note.num_lost_losses) is int,
        "versions": isinstance(note.versions, dict)
        and all(isinstance(version, str) for version in note.versions.values()),
    }
    for name, right in is_right.items():
        if not right:
            raise TypeError(f"its {name} is {getattr(note, name)!r}, which no export of ours wrote")


def _is_argument(value: Any) -> bool:
    if not isinstance(value, dict) or value.keys() != {"default", "targets"}:
        return False
    targets = value["targets"]
    is_listed = isinstance(targets, list) and all(isinstance(target, str) for target in targets)
    return is_listed and _is_number(value["default"])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
