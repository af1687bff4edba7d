"""`train`: what comes in is checked, a child process trains, what comes out is recorded."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components import artifacts
from components.errors import DataError, InvalidModelError
from components.records import Examples, HyperParameters, Model, Run, Schema, TransformGraph
from components.trainer import arguments, user_module
from components.trainer.arguments import Inputs
from components.trainer.child_process import ChildSpec, run_child

_log = logging.getLogger("components.trainer")


def train(
    *,
    module_file: str | Path,
    examples: Examples,
    output_dir: str | Path,
    train_args: Mapping[str, Any] | None = None,
    eval_args: Mapping[str, Any] | None = None,
    schema: Schema | None = None,
    transform_graph: TransformGraph | None = None,
    base_model: Model | None = None,
    hyperparameters: Mapping[str, Any] | HyperParameters | None = None,
    custom_config: Mapping[str, Any] | None = None,
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
        base_model: becomes ``fn_args.base_model``, to start from.
        hyperparameters: values by name, or KerasTuner's configuration, or the tuner's record.
        custom_config: handed to the module as it is.
        run: the task instance that asks; named in the log.

    Raises:
        ConfigurationError: no such module or no ``run_fn`` in it; a split that doesn't exist.
        DataError: nothing to train on, or the examples have changed.
        TrainingError: the user's code raised, or its process died.
        InvalidModelError: ``run_fn`` wrote no SavedModel, or one that can't be served.
    """
    inputs = Inputs(
        examples=examples,
        train_args=arguments.read_step_args("train_args", train_args, "train"),
        eval_args=arguments.read_step_args("eval_args", eval_args, "eval"),
        schema=schema,
        transform_graph=transform_graph,
        base_model=base_model,
        hyperparameters=arguments.read_hyperparameters(hyperparameters),
        custom_config=arguments.read_custom_config(custom_config),
    )
    if run is not None:
        _log.info("training for %s, %s, try %s", run.dag_id, run.run_id, run.try_number)
    with artifacts.new_directory(output_dir) as directory:
        return _train_into(directory, Path(output_dir).absolute(), str(module_file), inputs)


def _train_into(directory: Path, final: Path, module_file: str, inputs: Inputs) -> Model:
    fn_args = arguments.fn_args_for(inputs, directory)
    if user_module.is_path(module_file):
        user_module.find_module(module_file)  # before a process is started for it
    _check_unchanged(inputs.examples)
    _check_base(inputs.base_model)
    Path(fn_args["model_run_dir"]).mkdir()
    _log.info(
        "training %s on %s, window %s", module_file, inputs.examples.uri, inputs.examples.window
    )
    result = run_child(ChildSpec(module_file, fn_args))
    manifest = artifacts.read_manifest(directory / arguments.SERVING_DIRECTORY)
    has_eval_model = (directory / arguments.EVAL_DIRECTORY / "saved_model.pb").is_file()
    model = Model(
        uri=str(final / arguments.SERVING_DIRECTORY),
        digest=manifest.digest,
        num_bytes=manifest.num_bytes,
        window=inputs.examples.window,
        examples_digest=inputs.examples.digest,
        module_digest=result.module_digest,
        base_model_digest=None if inputs.base_model is None else inputs.base_model.digest,
        hyperparameters=(inputs.hyperparameters or {}).get("values", {}),
        train_args=inputs.train_args.to_json(),
        eval_model_uri=str(final / arguments.EVAL_DIRECTORY) if has_eval_model else None,
    )
    artifacts.write_record(model, directory)
    _log.info("model %s, %s bytes, in %s", model.digest, f"{model.num_bytes:,}", model.uri)
    return model


def _check_unchanged(examples: Examples) -> None:
    found = artifacts.digest(examples.uri, exclude={artifacts.RECORD_FILE})
    if found != examples.digest:
        raise DataError(
            f"the examples in {examples.uri!r} have the digest {found}, not {examples.digest} as "
            "their record says: they were changed; generate them again"
        )


def _check_base(base_model: Model | None) -> None:
    found = None if base_model is None else artifacts.digest(base_model.uri)
    if base_model is not None and found != base_model.digest:
        raise InvalidModelError(
            f"the base model in {base_model.uri!r} has the digest {found}, not "
            f"{base_model.digest} as its record says: it was changed; train it again"
        )
