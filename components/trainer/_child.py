"""The process in which a user's code runs: ``python -P -m components.trainer._child SPEC.json``.

Reads a `ChildSpec`, writes a `ChildResult` beside it. TensorFlow isn't imported before the user's
module, which may want to configure it.
"""

import json
import logging
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from components import errors
from components.errors import ConfigurationError, ImprimaturError, TrainingError
from components.parent_death import die_with_announced_parent
from components.trainer import user_module
from components.trainer.child_process import RESULT_FILE, ChildResult, ChildSpec
from components.trainer.fn_args import FnArgs, example_accessor

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
    path = user_module.find_module(spec.module_file)
    digest = user_module.folder_digest(path)
    run_fn = user_module.run_fn_of(_import(spec.module_file, path), path)
    arguments = FnArgs(**spec.fn_args, data_accessor=example_accessor())
    try:
        run_fn(arguments)
    except (Exception, SystemExit) as error:
        raise _explained(error, "run_fn", path) from error
    _check_output(spec.fn_args)
    return ChildResult(module_digest=digest)


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


def _check_output(fn_args: dict[str, Any]) -> None:
    from components.trainer.servable import check_servable

    _log.info("trained; checking that the model can be served")
    directory = Path(fn_args["serving_model_dir"])
    check_servable(directory, [*fn_args["eval_files"], *fn_args["train_files"]])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
