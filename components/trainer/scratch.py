"""The temporary directories of trainings; those of processes that were killed are swept.

::

    <temporary folder>/.imprimatur.5d1a77c04f1c.partial/    as in `components.staging`
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from components.staging import staging_directory

_NAME = "imprimatur"  # short: a socket's path in it has at most 107 characters


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """Make a directory that only this user reads, and remove it after the block.

    Those that processes of this machine left behind when they were killed are removed first.
    """
    with staging_directory(Path(tempfile.gettempdir()) / _NAME) as scratch:
        scratch.chmod(0o700)
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
