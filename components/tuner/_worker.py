"""A process that runs trials: ``python -P -m components.tuner._worker SPEC.json``."""

import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from components.errors import ConfigurationError, ImprimaturError
from components.trainer import user_process
from components.trainer.child_spec import ChildResult, ChildSpec
from components.trainer.fn_args import FnArgs, example_accessor
from components.trainer.import_hook import after_import
from components.trainer.user_process import UserModule
from components.tuner.search_state import (
    Search,
    WorkerSpec,
    read_search,
    write_json,
    write_search,
)

_ENDLESS = ("RandomSearchOracle", "BayesianOptimizationOracle")
_log = logging.getLogger("components.tuner")


def search(spec: ChildSpec) -> ChildResult:
    """Call ``tuner_fn``, and run trials of its tuner until there are none left."""
    worker = WorkerSpec(**{**(spec.search or {}), "workers": tuple((spec.search or {})["workers"])})
    working_dir = Path(spec.fn_args["working_dir"])
    for file in working_dir.rglob(f"{worker.name}.json"):
        file.unlink()  # with it, the tuner would take the old search space for its own
    os.environ["KERASTUNER_TUNER_ID"] = worker.name
    after_import("keras_tuner", _mend)
    user = user_process.load(spec)
    arguments = FnArgs(**spec.fn_args, data_accessor=example_accessor())
    found = user_process.call(_tuner_fn_of(user), arguments, "tuner_fn", user.path)
    tuner, fit_kwargs = _checked(found, user.path, working_dir)
    _run(tuner, fit_kwargs, worker, working_dir, spec.seed, user.path)
    return ChildResult(module_digest=user.digest, details=user.details())


def _mend(keras_tuner: ModuleType) -> None:
    """Have no file half-written, and no worker delete what others have done."""
    from keras_tuner.src import utils  # type: ignore[import-not-found, unused-ignore]

    utils.save_json = write_json
    base = keras_tuner.engine.base_tuner.BaseTuner
    original = base.__init__

    def construct(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **{**kwargs, "overwrite": False})

    base.__init__ = construct


def _tuner_fn_of(user: UserModule) -> Any:
    tuner_fn = getattr(user.module, "tuner_fn", None)
    if not callable(tuner_fn):
        raise ConfigurationError(
            f"{str(user.path)!r} has no function tuner_fn; write tuner_fn(fn_args), which returns "
            "TFX's TunerFnResult(tuner, fit_kwargs)"
        )
    return tuner_fn


def _checked(found: Any, path: Path, working_dir: Path) -> tuple[Any, dict[str, Any]]:
    """Return the tuner and the arguments of its search.

    Raises:
        ConfigurationError: something else was returned, or a tuner that can't be used.
    """
    tuner, fit_kwargs = getattr(found, "tuner", None), getattr(found, "fit_kwargs", None)
    library = sys.modules.get("keras_tuner")  # without it, it is no tuner of KerasTuner's
    is_tuner = library is not None and isinstance(tuner, library.engine.base_tuner.BaseTuner)
    if tuner is None or not is_tuner or not isinstance(fit_kwargs, Mapping):
        raise ConfigurationError(
            f"tuner_fn of {str(path)!r} returned {_described(found)}; expected TFX's "
            "TunerFnResult(tuner, fit_kwargs): a tuner of KerasTuner's and a dict"
        )
    project = Path(tuner.project_dir).resolve()
    if not project.is_relative_to(working_dir.resolve()):
        raise ConfigurationError(
            f"the tuner of {str(path)!r} keeps its trials in {str(project)!r}, where those of "
            "another search may lie; give it directory=fn_args.working_dir"
        )
    return tuner, dict(fit_kwargs)


def _described(found: Any) -> str:
    if not hasattr(found, "tuner"):
        return f"a {type(found).__name__}"
    kinds = (type(getattr(found, name, None)).__name__ for name in ("tuner", "fit_kwargs"))
    return f"a {type(found).__name__} of {' and '.join(kinds)}"


def _run(
    tuner: Any,
    fit_kwargs: dict[str, Any],
    worker: WorkerSpec,
    working_dir: Path,
    seed: int,
    path: Path,
) -> None:
    from components.tuner.shared_oracle import SharedOracle
    from components.tuner.trial_watch import SearchEndedError, TrialWatch

    _announce(tuner, worker, working_dir)
    watch = TrialWatch(tuner, seed)
    oracle = SharedOracle(tuner.oracle, working_dir, worker, watch)
    tuner.oracle, tuner.tuner_id = oracle, worker.name
    oracle.verbose = 0

    def run(arguments: dict[str, Any]) -> ImprimaturError | None:
        try:
            oracle.recover()
            tuner.search(**arguments)
        except SearchEndedError as error:
            return error.reason
        return None

    reason = user_process.call(run, fit_kwargs, "the tuner's search", path)
    if reason is not None:
        raise reason


def _announce(tuner: Any, worker: WorkerSpec, working_dir: Path) -> None:
    """Say what is searched, or compare it with what was said.

    Raises:
        ConfigurationError: without an end; or other than in the trials that are there already.
    """
    oracle = tuner.oracle
    if oracle.max_trials == 0:
        raise ConfigurationError(
            "the tuner's max_trials is 0, which KerasTuner takes for no limit; expected a number "
            "above 0, or None and a budget in tune_args"
        )
    limits = [limit for limit in (oracle.max_trials, worker.max_trials) if limit is not None]
    if not limits and type(oracle).__name__ in _ENDLESS and not worker.has_deadline:
        raise ConfigurationError(
            f"the tuner has no max_trials, and {type(oracle).__name__} wouldn't end before that; "
            "give it max_trials, or tune_args max_trials or max_seconds"
        )
    new = Search(
        project=str(Path(tuner.project_dir).resolve()),
        objective=str(oracle.objective.name),
        direction=str(oracle.objective.direction),
        space=json.loads(json.dumps(oracle.get_space().get_config()["space"])),
        max_trials=min(limits, default=None),
    )
    ours = read_search(working_dir)
    for name in () if ours is None else ("project", "objective", "direction", "space"):
        if getattr(ours, name) != getattr(new, name):
            raise ConfigurationError(
                f"the {name} of the search has changed since its first trials: it was "
                f"{getattr(ours, name)!r}, and is {getattr(new, name)!r} now, with the same module "
                f"and examples. Remove {str(working_dir)!r} to start afresh"
            )
    write_search(working_dir, new)


if __name__ == "__main__":
    user_process.end(user_process.main(sys.argv[1], search))
