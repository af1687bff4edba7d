"""`tune`: what comes in is checked, worker processes search, the best values are recorded."""

import logging
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from components import artifacts, example_files
from components.errors import ConfigurationError, TrainingError
from components.records import Examples, HyperParameters, Run, Schema, TransformGraph
from components.trainer import arguments, run_folder, seeding, user_module
from components.trainer.arguments import Inputs
from components.trainer.child_spec import ChildResult, ChildSpec
from components.trainer.input_check import check_inputs
from components.trainer.process_settings import ProcessSettings, read_process_settings
from components.tuner import results
from components.tuner.search_state import TRIAL_FILE, read_search
from components.tuner.tune_args import TuneArgs, read_tune_args
from components.tuner.worker_pool import run_workers

_PREFIX = ".tuning-"
_NOT_A_TUNERS = (
    "serving_model_dir", "eval_model_dir", "model_run_dir", "base_model", "hyperparameters",
)  # fmt: skip
_log = logging.getLogger("components.tuner")


@dataclass(frozen=True)
class _Way:
    """How a search runs, besides what it is made of."""

    tune_args: TuneArgs
    keras: int | None
    seed: int
    process: ProcessSettings
    run: Run | None


def tune(
    *,
    module_file: str | Path,
    examples: Examples,
    output_dir: str | Path,
    train_args: Mapping[str, Any] | None = None,
    eval_args: Mapping[str, Any] | None = None,
    tune_args: Mapping[str, Any] | None = None,
    schema: Schema | None = None,
    transform_graph: TransformGraph | None = None,
    custom_config: Mapping[str, Any] | None = None,
    keras: int | None = None,
    seed: int = seeding.DEFAULT_SEED,
    process: Mapping[str, Any] | None = None,
    run: Run | None = None,
) -> HyperParameters:
    """Search hyperparameters by a user's ``tuner_fn``.

    A search that was killed goes on where it was, when it is asked for again with an output
    directory beside that of the first time: trials that were finished aren't repeated.

    Args:
        module_file: a Python file, or a dotted module name, with ``tuner_fn(fn_args)``, which
            returns TFX's ``TunerFnResult(tuner, fit_kwargs)``.
        examples: what to train and evaluate on.
        output_dir: written whole or not at all; see `components.tuner.results`.
        train_args: of each trial, as the trainer's: ``{"num_steps": N, "splits": ["train"]}``.
        eval_args: the same for evaluation.
        tune_args: TFX's ``num_parallel_trials``; and a budget, ``max_trials`` and ``max_seconds``.
        schema: its ``schema.pbtxt`` becomes ``fn_args.schema_path``.
        transform_graph: becomes ``fn_args.transform_graph_path``.
        custom_config: handed to the module as it is.
        keras: 2 or 3; None looks for what the module was written for.
        seed: of random numbers; each trial begins with it.
        process: of each worker; see `ProcessSettings`.
        run: the task instance that asks.

    Returns:
        The best trial's values and its score; ``trials_uri`` is the table of all.

    Raises:
        ConfigurationError: no ``tuner_fn``, or what it returned can't be used; a budget of nothing;
            an objective that no training reports; a space that isn't that of earlier trials.
        DataError: nothing to train on, or the examples have changed, or don't fit.
        TrainingError: no trial was finished; the user's code raised, or its processes died.
    """
    inputs = Inputs(
        examples=examples,
        train_args=arguments.read_step_args("train_args", train_args, "train"),
        eval_args=arguments.read_step_args("eval_args", eval_args, "eval"),
        schema=schema,
        transform_graph=transform_graph,
        base_model=None,
        hyperparameters=None,
        custom_config=arguments.read_custom_config(custom_config),
    )
    settings = read_process_settings(process)
    if settings.num_workers != 1:
        raise ConfigurationError(
            f"process.num_workers is {settings.num_workers}; a trial is one process: give "
            "tune_args num_parallel_trials to run several trials at once"
        )
    way = _Way(read_tune_args(tune_args), keras, seeding.check_seed(seed), settings, run)
    final = Path(output_dir).absolute()
    fn_args = arguments.fn_args_for(inputs, final)
    example_files.check_unchanged(examples)
    check_inputs(inputs)
    fn_args = {name: fn_args[name] for name in fn_args if name not in _NOT_A_TUNERS}
    recipe = _recipe(str(module_file), inputs, way, final.parent)
    with _working_dir(final.parent, recipe) as working_dir:
        spec = ChildSpec(
            str(module_file),
            {**fn_args, "working_dir": str(working_dir)},
            keras=keras,
            seed=seed,
            cpus=settings.cpus,
        )
        _log.info("tuning %s on %s, window %s", module_file, examples.uri, examples.window)
        found = run_workers(spec, settings, way.tune_args, working_dir)
        with artifacts.new_directory(output_dir) as directory:
            record = _record(directory, final, examples, working_dir, way, found)
        shutil.rmtree(working_dir)
    return record


def _recipe(module_file: str, inputs: Inputs, way: _Way, root: Path) -> dict[str, Any]:
    """Return what a search must have in common with an earlier one to go on with it."""
    with _importing_from_here():
        digest = _module_digest(user_module.find_module(module_file), root)
    run = way.run
    parts = {
        "schema": inputs.schema,
        "transform_graph": inputs.transform_graph,
        "examples": inputs.examples,
    }
    return {
        "task": None if run is None else [run.dag_id, run.run_id, run.task_id, run.map_index],
        "module_file": module_file,
        "module_digest": digest,
        "train_args": inputs.train_args.to_json(),
        "eval_args": inputs.eval_args.to_json(),
        "custom_config": inputs.custom_config,
        "seed": way.seed,
        "keras": way.keras,
        **{name: None if part is None else part.digest for name, part in parts.items()},
    }


def _module_digest(module: Path, root: Path) -> str:
    """Return the digest of a module's folder, without what searches write below it.

    Each try would otherwise be of another recipe, and none would go on with the one before.

    Args:
        module: the file.
        root: where results and trials lie.
    """
    folder, written = module.parent.resolve(), root.resolve()
    if not written.is_relative_to(folder):
        return user_module.folder_digest(module)
    below = f"{written.relative_to(folder)}/" if written != folder else _PREFIX
    left_out = [
        path
        for path in artifacts.list_files(folder)
        if path.startswith(below) or "__pycache__/" in path
    ]
    return artifacts.digest(folder, exclude=left_out)


@contextmanager
def _working_dir(root: Path, recipe: Mapping[str, Any]) -> Iterator[Path]:
    """Yield the folder of this search, with what an earlier try of it has left.

    Raises:
        TrainingError: such a search is running.
    """
    folder = run_folder.path_of(root, recipe, _PREFIX)
    root.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{folder}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise TrainingError(
            f"another search of the same module on the same examples is running and has "
            f"{str(folder)!r}; wait for its end, or end it"
        ) from error
    folder.mkdir(exist_ok=True)
    for other in sorted(root.glob(f"{_PREFIX}*/")):
        if other != folder:
            _log.warning(
                "the trials in %s don't count: the module's folder, the examples or arguments have "
                "changed since; remove it if nothing of that search runs", other
            )  # fmt: skip
    try:
        if any(folder.iterdir()):
            _log.info("an earlier try left its trials in %s; the search goes on", folder)
        yield folder
    finally:
        if not any(folder.rglob(TRIAL_FILE)):  # done, or nothing that would be worth going on with
            shutil.rmtree(folder, ignore_errors=True)
            Path(lock.lock_file).unlink()
        lock.release()


@contextmanager
def _importing_from_here() -> Iterator[None]:
    """Find dotted names as the processes that import them do."""
    sys.path.append(str(Path.cwd()))
    try:
        yield
    finally:
        sys.path.pop()


def _record(
    directory: Path,
    final: Path,
    examples: Examples,
    working_dir: Path,
    way: _Way,
    found: list[ChildResult],
) -> HyperParameters:
    search = read_search(working_dir)
    trials = [] if search is None else results.read_trials(Path(search.project))
    best = [] if search is None else results.ranked(trials, search.direction)
    if search is None or not best:
        raise TrainingError(_no_result(trials, way.tune_args))
    story = {
        "tune_args": asdict(way.tune_args),
        "seed": way.seed,
        **(found[0].details if found else {}),
    }
    results.write(directory, trials, search, story)
    _log.info("%d trials, the best first:\n%s", len(trials), results.table(trials, search))
    _log.info("the best is trial %s, %s %g", best[0].trial, search.objective, best[0].score)
    record = HyperParameters(
        uri=str(final),
        digest=artifacts.digest(directory),
        examples_digest=examples.digest,
        values=best[0].values,
        score=best[0].score,
        trials_uri=str(final / results.TRIALS_FILE),
    )
    artifacts.write_record(record, directory)
    return record


def _no_result(trials: list[results.Trial], tune_args: TuneArgs) -> str:
    reasons = [trial.reason for trial in trials if trial.reason is not None]
    if reasons:
        return f"none of the {len(trials)} trials has a score; the last that failed: {reasons[-1]}"
    if tune_args.max_seconds is not None:
        return (
            f"no trial was finished within the {tune_args.max_seconds:g} s of "
            "tune_args.max_seconds; give it more, or make trials shorter"
        )
    return "the tuner made no trial: is its search space empty?"
