"""`train`: what comes in is checked, a child process trains, what comes out is recorded."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from components import artifacts, example_files
from components.errors import ConfigurationError
from components.records import Examples, HyperParameters, Model, Run, Schema, TransformGraph
from components.serving_folder import ServingFolder
from components.trainer import arguments, progress, report, run_folder, seeding, user_module
from components.trainer.arguments import BaseModel, Inputs
from components.trainer.child_process import run_child
from components.trainer.child_spec import ChildResult, ChildSpec
from components.trainer.process_settings import ProcessSettings, read_process_settings
from components.trainer.scratch import scratch_directory

_log = logging.getLogger("components.trainer")


@dataclass(frozen=True)
class _Way:
    """How a training runs, besides what it is made of."""

    serving_examples: Examples | None
    keras: int | str | None
    seed: int
    deterministic: bool
    process: ProcessSettings
    run: Run | None


def train(
    *,
    module_file: str | Path,
    examples: Examples,
    output_dir: str | Path,
    train_args: Mapping[str, Any] | None = None,
    eval_args: Mapping[str, Any] | None = None,
    schema: Schema | None = None,
    transform_graph: TransformGraph | None = None,
    base_model: Model | str | Path | None = None,
    hyperparameters: Mapping[str, Any] | HyperParameters | None = None,
    custom_config: Mapping[str, Any] | None = None,
    serving_examples: Examples | None = None,
    keras: int | str | None = None,
    seed: int = seeding.DEFAULT_SEED,
    deterministic: bool = False,
    process: Mapping[str, Any] | None = None,
    run: Run | None = None,
) -> Model:
    """Run a user's ``run_fn`` in a child process, and keep what it made if it can be served.

    Args:
        module_file: a Python file, or a dotted module name, with ``run_fn(fn_args)``.
        examples: what to train on; its files must be those that its digest names.
        output_dir: written whole or not at all; see `components.trainer`.
        train_args: TFX's: ``{"num_steps": N, "splits": ["train"]}``; 0 leaves it to the module.
        eval_args: the same for evaluation during training; the split is ``eval`` by default.
        schema: its ``schema.pbtxt`` becomes ``fn_args.schema_path``.
        transform_graph: becomes ``fn_args.transform_graph_path``.
        base_model: becomes ``fn_args.base_model``, to start from: a `Model`, a directory with a
            SavedModel or with a model's record, or a serving folder, which means its live version;
            where nothing is live yet, there is none, with a warning.
        hyperparameters: values by name, or KerasTuner's configuration, or the tuner's record.
        custom_config: handed to the module as it is.
        serving_examples: the raw ones, where `examples` are transformed but a server will get them
            raw: the finished model is asked one of them, and its record names them.
        keras: 2 (or ``legacy``) or 3; None looks for what the module was written for; see
            `keras_mode`.
        seed: of Python's, NumPy's, TensorFlow's and Keras' random numbers.
        deterministic: the same bits of weights each time, on the same machine; slower.
        process: see `ProcessSettings`.
        run: the task instance that asks. A retry of it finds ``fn_args.model_run_dir`` as the
            failed try left it, if nothing that the training is made of has changed.

    Raises:
        ConfigurationError: no such module or no ``run_fn`` in it; a split that doesn't exist; a
            base model's directory that holds something else.
        DataError: nothing to train on, or the examples have changed, or don't fit the schema or
            the transform graph.
        TrainingError: the user's code raised, or its process died.
        InvalidModelError: ``run_fn`` wrote no SavedModel, or one that can't be served.
    """
    inputs = Inputs(
        examples=examples,
        train_args=arguments.read_step_args("train_args", train_args, "train"),
        eval_args=arguments.read_step_args("eval_args", eval_args, "eval"),
        schema=schema,
        transform_graph=transform_graph,
        base_model=None,
        hyperparameters=arguments.read_hyperparameters(hyperparameters),
        custom_config=arguments.read_custom_config(custom_config),
    )
    settings = read_process_settings(process)
    way = _Way(serving_examples, keras, seeding.check_seed(seed), deterministic, settings, run)
    if run is not None:
        _log.info("training for %s, %s, try %s", run.dag_id, run.run_id, run.try_number)
    with (
        scratch_directory() as scratch,
        artifacts.new_directory(output_dir) as directory,
    ):
        base = _read_base(base_model, scratch / "model")
        inputs = replace(inputs, base_model=base)
        return _train_into(directory, Path(output_dir).absolute(), str(module_file), inputs, way)


def _read_base(source: Model | str | Path | None, scratch: Path) -> BaseModel | None:
    """Return the model to start from, kept from being swept away meanwhile."""
    if source is None:
        return None
    from components.evaluator.baseline import read_baseline, take_snapshot  # imports NumPy

    base = read_baseline(source)
    found = take_snapshot(base, scratch)
    if found.directory is None or found.record is None:
        if isinstance(base, ServingFolder):
            _check_is_serving_folder(base)
            _log.warning("starting from scratch: nothing is live in %s", base.base_directory)
        return None
    _log.info("starting from the %s, %s", found.title, found.record.digest)
    return BaseModel(str(found.directory), str(found.record.digest))


def _check_is_serving_folder(folder: ServingFolder) -> None:
    """Refuse a directory that holds things, but nothing that a serving folder holds."""
    directory = folder.base_directory
    found = [name for name in folder.names() if not name.startswith(".")]
    if found and not folder.state_directory.is_dir() and not folder.numbered():
        raise ConfigurationError(
            f"base_model is {str(directory)!r}, which holds {found[:10]}; expected a SavedModel, "
            "the record of a model, or a serving folder"
        )


def _train_into(directory: Path, final: Path, module_file: str, inputs: Inputs, way: _Way) -> Model:
    fn_args = arguments.fn_args_for(inputs, directory)
    if user_module.is_path(module_file):
        user_module.find_module(module_file)  # before a process is started for it
    example_files.check_unchanged(inputs.examples)
    if inputs.schema is not None or inputs.transform_graph is not None:
        from components.trainer.input_check import check_inputs  # imports protobuf

        check_inputs(inputs)
    run_dir = directory / arguments.RUN_DIRECTORY
    run_dir.mkdir()
    _log.info(
        "training %s on %s, window %s", module_file, inputs.examples.uri, inputs.examples.window
    )
    spec = ChildSpec(
        module_file,
        fn_args,
        keras=way.keras,
        seed=way.seed,
        deterministic=way.deterministic,
        cpus=way.process.cpus,
        recipe=_recipe(module_file, inputs, way),
        resume_root=None if way.run is None else str(final.parent),
        serving_files=_files(way.serving_examples),
    )
    points = directory / report.POINTS_FILE
    result = run_child(spec, way.process, {progress.FILE_VARIABLE: str(points)})
    if result.model_run_dir not in (None, str(run_dir)):
        run_folder.keep(Path(str(result.model_run_dir)), run_dir)
    model = _record(directory, final, inputs, way, result)
    report.write(directory, final, model, _story(way, result))
    artifacts.write_record(model, directory)
    _log.info("model %s, %s bytes, in %s", model.digest, f"{model.num_bytes:,}", model.uri)
    return model


def _files(examples: Examples | None) -> list[str]:
    if examples is None:
        return []
    return [str(Path(examples.uri) / split.file_pattern) for split in examples.splits.values()]


def _record(directory: Path, final: Path, inputs: Inputs, way: _Way, result: ChildResult) -> Model:
    manifest = artifacts.read_manifest(directory / arguments.SERVING_DIRECTORY)
    has_eval_model = (directory / arguments.EVAL_DIRECTORY / "saved_model.pb").is_file()
    return Model(
        uri=str(final / arguments.SERVING_DIRECTORY),
        digest=manifest.digest,
        num_bytes=manifest.num_bytes,
        window=inputs.examples.window,
        examples_digest=(way.serving_examples or inputs.examples).digest,
        module_digest=result.module_digest,
        base_model_digest=None if inputs.base_model is None else inputs.base_model.digest,
        hyperparameters=(inputs.hyperparameters or {}).get("values", {}),
        train_args={**inputs.train_args.to_json(), **_chosen_seed(way)},
        eval_model_uri=str(final / arguments.EVAL_DIRECTORY) if has_eval_model else None,
    )


def _chosen_seed(way: _Way) -> dict[str, Any]:
    """Return the seed as a part of the recipe, where somebody chose one."""
    chosen = {"seed": way.seed} if way.seed != seeding.DEFAULT_SEED else {}
    return {**chosen, "deterministic": True} if way.deterministic else chosen


def _recipe(module_file: str, inputs: Inputs, way: _Way) -> dict[str, Any]:
    """Return what a retry must have in common with the failed try to go on from there."""
    run = way.run
    parts = {
        "schema": inputs.schema,
        "transform_graph": inputs.transform_graph,
        "base_model": inputs.base_model,
        "examples": inputs.examples,
        "serving_examples": way.serving_examples,
    }
    return {
        "task": None if run is None else [run.dag_id, run.run_id, run.task_id, run.map_index],
        "module_file": module_file,
        "train_args": inputs.train_args.to_json(),
        "eval_args": inputs.eval_args.to_json(),
        "hyperparameters": inputs.hyperparameters,
        "custom_config": inputs.custom_config,
        "seed": way.seed,
        "deterministic": way.deterministic,
        "keras": way.keras,
        "num_workers": way.process.num_workers,
        **{name: None if part is None else part.digest for name, part in parts.items()},
    }


def _story(way: _Way, result: ChildResult) -> dict[str, Any]:
    return {
        **result.details,
        "seed": way.seed,
        "deterministic": way.deterministic,
        "resumed": result.is_resumed,
    }
