"""A model is a directory with saved_model.pb and variables/; no TensorFlow is needed."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from pusher_workshop import Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


@pytest.fixture
def fast_disk():
    """In memory where that is possible: an fsync there costs nothing, and order is what counts."""
    memory = Path("/dev/shm")
    directory = tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else None)
    yield Path(directory)
    shutil.rmtree(directory)
