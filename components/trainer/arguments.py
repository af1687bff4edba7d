"""Turns what a caller gives into what TFX's `FnArgs` holds. Light: no TensorFlow."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components import record_codec
from components.errors import ConfigurationError, DataError
from components.records import Examples, HyperParameters, Schema, TransformGraph
from components.trainer.hyperparameter_space import check_values

SERVING_DIRECTORY = "Format-Serving"
EVAL_DIRECTORY = "Format-TFMA"
RUN_DIRECTORY = "model_run"
SCHEMA_FILE = "schema.pbtxt"
_KNOWN = ("num_steps", "splits")
_HYPERPARAMETER_CONFIG = {"space", "values"}


@dataclass(frozen=True)
class StepArgs:
    """TFX's TrainArgs and EvalArgs."""

    num_steps: int
    """0 where the module decides."""
    splits: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the form in which it was given."""
        return {"num_steps": self.num_steps, "splits": list(self.splits)}


@dataclass(frozen=True)
class BaseModel:
    """The model that a training starts from."""

    uri: str
    """The SavedModel's directory."""
    digest: str


@dataclass(frozen=True)
class Inputs:
    """What a training starts from, besides the user's module."""

    examples: Examples
    train_args: StepArgs
    eval_args: StepArgs
    schema: Schema | None
    transform_graph: TransformGraph | None
    base_model: BaseModel | None
    hyperparameters: Mapping[str, Any] | None
    """KerasTuner's configuration, or None."""
    custom_config: Mapping[str, Any] | None


def read_step_args(name: str, value: Mapping[str, Any] | None, default_split: str) -> StepArgs:
    """Read ``{"num_steps": N, "splits": […]}``; as in proto JSON, N may be decimal text.

    Raises:
        ConfigurationError: naming `name` and the field.
    """
    given = _read_object(name, value) or {}
    for key in given:
        if key not in _KNOWN:
            raise ConfigurationError(f"{name} has {key!r}; expected only {', '.join(_KNOWN)}")
    num_steps = given.get("num_steps") or 0
    if isinstance(num_steps, str) and num_steps.isdecimal():
        num_steps = int(num_steps)
    if isinstance(num_steps, bool) or not isinstance(num_steps, int) or num_steps < 0:
        raise ConfigurationError(
            f"{name}.num_steps is {num_steps!r}; expected a whole number of batches, "
            "or 0 to leave it to the module"
        )
    splits = given.get("splits") or [default_split]
    if not isinstance(splits, list | tuple) or not all(isinstance(split, str) for split in splits):
        raise ConfigurationError(f"{name}.splits is {splits!r}; expected a list of split names")
    return StepArgs(num_steps, tuple(splits))


def read_hyperparameters(
    value: Mapping[str, Any] | HyperParameters | None,
) -> dict[str, Any] | None:
    """Return KerasTuner's configuration from plain values, from one already, or from a record.

    Raises:
        ConfigurationError: not an object, a configuration of wrong types, or a value that its own
            space doesn't allow.
        RecordError: something in it is no JSON, for instance NaN.
    """
    if isinstance(value, HyperParameters):
        value = value.values
    given = _read_object("hyperparameters", value)
    if given is None:
        return None
    if "space" in given and given.keys() <= _HYPERPARAMETER_CONFIG:
        space, values = given["space"], given.get("values")
        if not isinstance(space, list | tuple) or not isinstance(values, Mapping):
            raise ConfigurationError(
                f"hyperparameters has the space {space!r} and the values {values!r}; expected "
                "KerasTuner's configuration, a list and an object, or plain values by name"
            )
        check_values(space, values)
        return given
    return {"space": [], "values": given}


def read_custom_config(value: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return it as given: None isn't the same as an empty one to users' modules.

    Raises:
        ConfigurationError: not an object.
        RecordError: something in it is no JSON.
    """
    return _read_object("custom_config", value)


def _read_object(name: str, value: Any) -> dict[str, Any] | None:
    if value is not None and not isinstance(value, Mapping):
        raise ConfigurationError(f"{name} is {value!r}; expected a JSON object")
    return None if value is None else dict(record_codec.check(Mapping[str, Any], value, name))


def fn_args_for(inputs: Inputs, directory: Path) -> dict[str, Any]:
    """Return the fields of `FnArgs` as JSON types, to train into a directory.

    Raises:
        ConfigurationError: a split that the examples don't have.
        DataError: no examples to train on.
    """
    train_files = _patterns("train_args", inputs.examples, inputs.train_args)
    if not any(inputs.examples.splits[name].num_examples for name in inputs.train_args.splits):
        raise DataError(
            f"the splits {list(inputs.train_args.splits)} of {inputs.examples.uri!r} hold no "
            "examples; nothing can be learnt from them"
        )
    schema = _uri(inputs.schema)
    schema_path = None if schema is None else str(Path(schema) / SCHEMA_FILE)
    transform_graph = _uri(inputs.transform_graph)
    return {
        "train_files": train_files,
        "eval_files": _patterns("eval_args", inputs.examples, inputs.eval_args),
        "train_steps": inputs.train_args.num_steps or None,
        "eval_steps": inputs.eval_args.num_steps or None,
        "schema_path": schema_path,
        "schema_file": schema_path,
        "transform_graph_path": transform_graph,
        "transform_output": transform_graph,
        "serving_model_dir": str(directory / SERVING_DIRECTORY),
        "eval_model_dir": str(directory / EVAL_DIRECTORY),
        "model_run_dir": str(directory / RUN_DIRECTORY),
        "base_model": _uri(inputs.base_model),
        "hyperparameters": inputs.hyperparameters,
        "custom_config": inputs.custom_config,
    }


def _patterns(name: str, examples: Examples, args: StepArgs) -> list[str]:
    for split in args.splits:
        if split not in examples.splits:
            raise ConfigurationError(
                f"{name}.splits names {split!r}, but the examples in {examples.uri!r} have "
                f"{', '.join(map(repr, examples.splits)) or 'no splits'}; name one of these"
            )
    return [str(Path(examples.uri) / examples.splits[split].file_pattern) for split in args.splits]


def _uri(record: Schema | TransformGraph | BaseModel | None) -> str | None:
    return None if record is None else record.uri
