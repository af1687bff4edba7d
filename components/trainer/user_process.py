"""What each process does in which a user's code runs, whatever it runs of it.

Reads a `ChildSpec`, writes a `ChildResult` beside it. TensorFlow isn't imported before the user's
module, which may want to configure it.
"""

import atexit
import json
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from components import errors
from components.errors import ConfigurationError, ImprimaturError, TrainingError, one_line
from components.parent_death import die_with_announced_parent
from components.trainer import death, environment, keras_hint, seeding, user_module
from components.trainer.child_spec import RESULT_FILE, ChildResult, ChildSpec
from components.trainer.keras_mode import KerasChoice

_THREADS_SECONDS = 10.0
_log = logging.getLogger("components.trainer")


@dataclass(frozen=True)
class UserModule:
    """The user's module, imported, and what is known of it."""

    module: ModuleType
    path: Path
    digest: str
    """Of the folder that it lies in."""
    keras: KerasChoice

    def details(self) -> dict[str, Any]:
        """Return for a report what ran it; JSON types."""
        return {
            "keras": {"version": self.keras.version, "reason": self.keras.reason},
            "versions": _versions(),
        }


def main(spec_file: str, work: Callable[[ChildSpec], ChildResult]) -> int:
    """Do the work, and write the result, or the error that it raised."""
    die_with_announced_parent()
    logging.basicConfig(
        level=os.environ.get("IMPRIMATUR_LOG_LEVEL", "INFO").upper(),
        format="%(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    spec = ChildSpec(**json.loads(Path(spec_file).read_text(encoding="utf-8")))
    try:
        result = work(spec)
    except ImprimaturError as error:
        result = ChildResult(error_type=type(error).__name__, error_message=str(error))
    target = Path(spec_file).with_name(RESULT_FILE)
    partial = target.with_suffix(".partial")
    partial.write_text(json.dumps(vars(result)), encoding="utf-8")
    partial.rename(target)
    return errors.EXIT_DONE if result.error_type is None else errors.EXIT_FAULT


def load(spec: ChildSpec) -> UserModule:
    """Prepare this process as a spec says, and import the user's module.

    Raises:
        ConfigurationError: there is no such module, or it can't be imported.
        TrainingError: it raised while it was imported.
    """
    sys.path.append(str(Path.cwd()))  # for dotted names; the interpreter's -P left it out
    sys.argv = [spec.module_file]
    if spec.cpus is not None:
        os.sched_setaffinity(0, spec.cpus)
    path = user_module.find_module(spec.module_file)
    digest = user_module.folder_digest(path)
    choice = environment.prepare(path, spec.keras)
    seeding.seed_all(spec.seed, deterministic=spec.deterministic)
    return UserModule(_import(spec.module_file, path), path, digest, choice)


def _import(module_file: str, path: Path) -> ModuleType:
    try:
        return user_module.import_module(module_file, path)
    except ConfigurationError:
        raise
    except (SyntaxError, ImportError) as error:
        _show(error)
        raise ConfigurationError(
            f"{str(path)!r} can't be imported: {_told(error)}; see above"
        ) from error
    except (Exception, SystemExit) as error:
        raise _explained(error, "importing it", path) from error


def call(function: Callable[[Any], Any], argument: Any, what: str, path: Path) -> Any:
    """Call a function of the user's.

    Args:
        function: of the user's module.
        argument: its only one.
        what: its name, for the error.
        path: of the module.

    Raises:
        TrainingError: it raised.
        ImprimaturError: it raised one.
    """
    try:
        return function(argument)
    except ImprimaturError as error:  # it says what to do; the traceback says where it was
        _show(error)
        raise
    except (Exception, SystemExit) as error:
        raise _explained(error, what, path) from error


def _explained(error: BaseException, what: str, path: Path) -> TrainingError:
    """Show the user's traceback, and return the one line that says whose error it is."""
    _show(error)
    where = f"(in {str(path)!r}; the traceback is above)"
    full = death.explain_full(error)
    if full is not None:
        return TrainingError(
            f"{full}: {what} raised {type(error).__name__} when it wrote {where}; make room where "
            "artifacts are kept and in the temporary folder"
        )
    return TrainingError(f"{what} raised {_told(error)} {where}")


def _told(error: BaseException) -> str:
    advice = keras_hint.hint(error)
    told = f"{type(error).__name__}: {one_line(error)}"
    return told if advice is None else f"{told}; {advice}"


def _show(error: BaseException) -> None:
    """Print the traceback without this module's own frames."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__") == __name__:
        trace = trace.tb_next
    sys.stdout.flush()
    traceback.print_exception(type(error), error, trace)


def _versions() -> dict[str, str]:
    """Return the versions of what ran: those of these packages that were imported."""
    names = ("tensorflow", "keras", "tf_keras", "numpy", "tensorflow_transform", "tfx_bsl", "jax")
    found = {name: getattr(sys.modules.get(name), "__version__", None) for name in names}
    known = {name: str(version) for name, version in found.items() if version is not None}
    return {"python": sys.version.partition(" ")[0], **known}


def end(code: int) -> NoReturn:
    """End, though a thread of the user's may never: what it does isn't waited for for ever."""
    deadline = time.monotonic() + _THREADS_SECONDS
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                _log.warning("the thread %r of the module goes on; it is ended", thread.name)
    atexit._run_exitfuncs()
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)
