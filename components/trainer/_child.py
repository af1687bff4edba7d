"""The process in which a user's code runs: ``python -P -m components.trainer._child SPEC.json``.

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
from pathlib import Path
from typing import Any, NoReturn

from components import errors
from components.errors import ConfigurationError, ImprimaturError, TrainingError
from components.parent_death import die_with_announced_parent
from components.trainer import environment, run_folder, seeding, user_module
from components.trainer.child_spec import RESULT_FILE, ChildResult, ChildSpec
from components.trainer.fn_args import FnArgs, example_accessor

_THREADS_SECONDS = 10.0
_log = logging.getLogger("components.trainer")


def main(spec_file: str) -> int:
    """Train, check, and write the result."""
    die_with_announced_parent()
    logging.basicConfig(
        level=os.environ.get("IMPRIMATUR_LOG_LEVEL", "INFO").upper(),
        format="%(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    spec = ChildSpec(**json.loads(Path(spec_file).read_text(encoding="utf-8")))
    try:
        result = _train(spec)
    except ImprimaturError as error:
        result = ChildResult(error_type=type(error).__name__, error_message=str(error))
    Path(spec_file).with_name(RESULT_FILE).write_text(json.dumps(vars(result)), encoding="utf-8")
    return errors.EXIT_DONE if result.error_type is None else errors.EXIT_FAULT


def _train(spec: ChildSpec) -> ChildResult:
    sys.path.append(str(Path.cwd()))  # for dotted names; the interpreter's -P left it out
    sys.argv = [spec.module_file]
    if spec.cpus is not None:
        os.sched_setaffinity(0, spec.cpus)
    path = user_module.find_module(spec.module_file)
    digest = user_module.folder_digest(path)
    choice = environment.prepare(path, spec.keras)
    seeding.seed_all(spec.seed, deterministic=spec.deterministic)
    run_fn = user_module.run_fn_of(_import(spec.module_file, path), path)
    run_dir, is_resumed = _run_dir(spec, digest)
    arguments = FnArgs(
        **{**spec.fn_args, "model_run_dir": run_dir}, data_accessor=example_accessor()
    )
    _call(run_fn, arguments, path)
    return ChildResult(
        module_digest=digest,
        model_run_dir=run_dir,
        is_resumed=is_resumed,
        details={
            "keras": {"version": choice.version, "reason": choice.reason},
            "versions": _versions(),
            **(_described_output(spec) if spec.is_chief else {}),
        },
    )


def _import(module_file: str, path: Path) -> Any:
    try:
        return user_module.import_module(module_file, path)
    except ConfigurationError:
        raise
    except (SyntaxError, ImportError) as error:
        _show(error)
        raise ConfigurationError(
            f"{str(path)!r} can't be imported: {type(error).__name__}: {error}; see above"
        ) from error
    except (Exception, SystemExit) as error:
        raise _explained(error, "importing it", path) from error


def _run_dir(spec: ChildSpec, module_digest: str) -> tuple[str, bool]:
    """Return the run folder, and whether an earlier try left something in it."""
    if spec.resume_root is not None and spec.recipe is not None:
        recipe = {**spec.recipe, "module_digest": module_digest}
        folder = run_folder.claim(Path(spec.resume_root), recipe)
        if folder is not None:
            is_resumed = any(folder.iterdir())
            if is_resumed:
                _log.info("an earlier try left its run folder; the module may go on from there")
            return str(folder), is_resumed
    return str(spec.fn_args["model_run_dir"]), False


def _call(run_fn: Callable[[FnArgs], Any], arguments: FnArgs, path: Path) -> None:
    try:
        run_fn(arguments)
    except ImprimaturError as error:  # it says what to do; the traceback says where it was
        _show(error)
        raise
    except (Exception, SystemExit) as error:
        raise _explained(error, "run_fn", path) from error


def _explained(error: BaseException, what: str, path: Path) -> TrainingError:
    """Show the user's traceback, and return the one line that says whose error it is."""
    _show(error)
    return TrainingError(
        f"{what} raised {type(error).__name__}: {error} (in {str(path)!r}; the traceback is above)"
    )


def _show(error: BaseException) -> None:
    """Print the traceback without this module's own frames."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__") == __name__:
        trace = trace.tb_next
    sys.stdout.flush()
    traceback.print_exception(type(error), error, trace)


def _described_output(spec: ChildSpec) -> dict[str, Any]:
    from components.trainer.servable import check_servable
    from components.trainer.serving_example import serving_examples

    _log.info("trained; checking that the model can be served")
    files = [*spec.fn_args["eval_files"], *spec.fn_args["train_files"]]
    graph = spec.fn_args["transform_graph_path"]
    return check_servable(
        Path(spec.fn_args["serving_model_dir"]), serving_examples(spec.serving_files, files, graph)
    )


def _versions() -> dict[str, str]:
    """Return the versions of what trained: those of these packages that were imported."""
    names = ("tensorflow", "keras", "tf_keras", "numpy", "tensorflow_transform", "tfx_bsl", "jax")
    found = {name: getattr(sys.modules.get(name), "__version__", None) for name in names}
    known = {name: str(version) for name, version in found.items() if version is not None}
    return {"python": sys.version.partition(" ")[0], **known}


def _end(code: int) -> NoReturn:
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


if __name__ == "__main__":
    _end(main(sys.argv[1]))
