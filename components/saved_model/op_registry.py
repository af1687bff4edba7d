"""Knows the operations that TensorFlow itself has, without importing TensorFlow.

`TF_GetAllOpList` of TensorFlow's C API lists them. A child process calls it, since the library
stays in memory: 0.5 s and 350 MB, against 6 s for the Python package. Run as
``python -m components.saved_model.op_registry``: writes the `OpList` to stdout.
"""

import ctypes
import functools
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from google.protobuf.message import DecodeError

from components.errors import ServerUnavailableError
from components.saved_model import messages

_PROJECT_ROOT = Path(__file__).resolve().parents[2]
_MAX_SECONDS = 120.0


class _Buffer(ctypes.Structure):
    """`TF_Buffer` of `tensorflow/c/tf_buffer.h`."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("data_deallocator", ctypes.c_void_p),
    )


@functools.cache
def known_ops() -> frozenset[str]:
    """Return the names of all operations of the installed TensorFlow.

    Raises:
        ServerUnavailableError: they can't be listed; says nothing of any model.
    """
    command = [sys.executable, "-P", "-m", __spec__.name]
    environment = {**os.environ, "PYTHONPATH": str(_PROJECT_ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, timeout=_MAX_SECONDS, check=False
        )
        ops = messages.OpList.FromString(done.stdout).op
    except (OSError, subprocess.TimeoutExpired, DecodeError) as error:
        raise ServerUnavailableError(f"TensorFlow's operations can't be listed: {error}") from error
    if done.returncode != 0 or not ops:
        log = done.stderr.decode(errors="replace").strip()[-1000:]
        raise ServerUnavailableError(
            f"TensorFlow's operations can't be listed: its process ended with {done.returncode}: "
            f"{log}"
        )
    return frozenset(op.name for op in ops)


def _list_ops() -> bytes:
    spec = importlib.util.find_spec("tensorflow")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("tensorflow isn't installed")
    library = _load(Path(spec.origin).parent)
    library.TF_GetAllOpList.restype = ctypes.POINTER(_Buffer)
    buffer = library.TF_GetAllOpList().contents
    return ctypes.string_at(buffer.data, buffer.length)


def _load(directory: Path) -> ctypes.CDLL:
    for name in ("libtensorflow_framework*", "libtensorflow_cc*"):
        paths = sorted(directory.glob(name))
        if not paths:
            raise FileNotFoundError(f"{str(directory)!r} holds no {name}")
        library = ctypes.CDLL(str(paths[0]), ctypes.RTLD_GLOBAL)
    return library


if __name__ == "__main__":
    sys.stdout.buffer.write(_list_ops())
