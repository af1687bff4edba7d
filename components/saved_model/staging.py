"""A model's directory that appears whole or not at all."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.errors import ConfigurationError
from components.serving_folder import MODEL_FILES


@contextmanager
def replaced_model(target: Path) -> Iterator[Path]:
    """Write under a sibling name, which doesn't exist yet, and put it in place after the block.

    If the block raises, nothing is left of it and what stood there before stays.

    Raises:
        ConfigurationError: something else than a model is there.
    """
    _check_replaceable(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = target.parent / f".{target.name}.{uuid.uuid4().hex[:8]}.partial"
    try:
        yield staging
        old = staging.with_suffix(".old")
        if target.exists():
            target.rename(old)
        staging.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _check_replaceable(target: Path) -> None:
    if not target.exists():
        return
    is_model = any((target / name).is_file() for name in MODEL_FILES)
    if not target.is_dir() or (any(target.iterdir()) and not is_model):
        raise ConfigurationError(
            f"{str(target)!r} exists and isn't a model, so it won't be replaced; give another "
            "directory"
        )
