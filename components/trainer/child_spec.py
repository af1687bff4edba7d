"""What the process that trains is told, and what it tells; JSON in files."""

from dataclasses import dataclass, field
from typing import Any

RESULT_FILE = "result.json"


@dataclass(frozen=True)
class ChildSpec:
    """What the child shall run."""

    module_file: str
    fn_args: dict[str, Any]
    """Fields of `FnArgs`, JSON types."""
    keras: int | str | None = None
    """2 or 3; None looks at the source."""
    seed: int = 0
    deterministic: bool = False
    cpus: tuple[int, ...] | None = None
    recipe: dict[str, Any] | None = None
    """What the training is made of, besides the module: a retry of the same resumes."""
    resume_root: str | None = None
    """Where a retry finds the run folders of earlier tries; None starts afresh."""
    serving_files: list[str] = field(default_factory=list)
    """Patterns of examples as a server gets them, where those trained on are others."""
    is_chief: bool = True
    """Of several workers, the one whose model counts."""
    program: str = "components.trainer._child"
    """The module that runs this: what becomes of the user's module."""
    search: dict[str, Any] | None = None
    """Of a search for hyperparameters; see `components.tuner`."""


@dataclass(frozen=True)
class ChildResult:
    """What came of it."""

    module_digest: str | None = None
    model_run_dir: str | None = None
    """Where its checkpoints and logs are; None where `FnArgs` said."""
    is_resumed: bool = False
    details: dict[str, Any] = field(default_factory=dict)
    """For the training's report: versions, Keras, signatures."""
    error_type: str | None = None
    """The name of a class in `components.errors`."""
    error_message: str = ""
