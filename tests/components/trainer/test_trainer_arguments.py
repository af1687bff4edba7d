"""What a caller gives becomes what TFX's `FnArgs` holds."""

import dataclasses
import re
from pathlib import Path

import pytest

from components.errors import ConfigurationError, DataError
from components.records import Examples, HyperParameters, Schema, Split, TransformGraph
from components.trainer import arguments
from components.trainer.arguments import BaseModel, Inputs, StepArgs
from components.trainer.fn_args import FnArgs

EXAMPLES = Examples(
    uri="/artifacts/examples",
    splits={"train": Split("Split-train/*", 10), "eval": Split("Split-eval/*", 0)},
    digest="sha256:0",
)
BARE = Inputs(
    examples=EXAMPLES,
    train_args=StepArgs(5, ("train",)),
    eval_args=StepArgs(0, ("eval",)),
    schema=None,
    transform_graph=None,
    base_model=None,
    hyperparameters=None,
    custom_config=None,
)


@pytest.mark.parametrize("given", [None, {}, {"num_steps": 0}, {"num_steps": None}])
def test_leaves_the_number_of_steps_to_the_module(given):
    assert arguments.read_step_args("train_args", given, "train") == StepArgs(0, ("train",))


@pytest.mark.parametrize("number", [7, "7"])
def test_reads_steps_and_splits(number):
    given = {"num_steps": number, "splits": ["a", "b"]}
    assert arguments.read_step_args("train_args", given, "train") == StepArgs(7, ("a", "b"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"steps": 3}, "eval_args has 'steps'; expected only num_steps, splits"),
        ({"num_steps": -1}, "eval_args.num_steps is -1; expected a whole number"),
        ({"num_steps": 1.5}, "eval_args.num_steps is 1.5"),
        ({"num_steps": True}, "eval_args.num_steps is True"),
        ({"num_steps": "many"}, "eval_args.num_steps is 'many'"),
        ({"splits": "eval"}, "eval_args.splits is 'eval'; expected a list"),
        ({"splits": [1]}, "eval_args.splits is [1]"),
        ([3], "eval_args is [3]; expected a JSON object"),
    ],
)
def test_refuses_wrong_step_args_by_name(given, message):
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        arguments.read_step_args("eval_args", given, "eval")


def test_gives_plain_hyperparameters_the_form_that_kerastuner_reads():
    import keras_tuner

    config = arguments.read_hyperparameters({"units": 8})
    assert keras_tuner.HyperParameters.from_config(config).get("units") == 8


def test_keeps_hyperparameters_that_come_from_kerastuner():
    import keras_tuner

    space = keras_tuner.HyperParameters()
    space.Int("units", 1, 8, default=3)
    config = space.get_config()
    assert arguments.read_hyperparameters(config) == config
    record = HyperParameters("/h", "sha256:1", "sha256:0", values={"units": 3})
    assert arguments.read_hyperparameters(record) == {"space": [], "values": {"units": 3}}


def test_tells_no_hyperparameters_from_empty_ones():
    assert arguments.read_hyperparameters(None) is None
    assert arguments.read_hyperparameters({}) == {"space": [], "values": {}}


def test_refuses_hyperparameters_that_are_no_object():
    with pytest.raises(ConfigurationError, match=r"hyperparameters is \[1\]; expected a JSON obj"):
        arguments.read_hyperparameters([1])


@pytest.mark.parametrize("given", [{"space": {}, "values": {}}, {"space": [], "values": [1]}])
def test_refuses_a_configuration_of_wrong_types(given):
    with pytest.raises(ConfigurationError, match="expected KerasTuner's configuration"):
        arguments.read_hyperparameters(given)


def test_fills_the_fields_of_fn_args():
    inputs = dataclasses.replace(
        BARE,
        schema=Schema("/schema", "sha256:1", "sha256:0"),
        transform_graph=TransformGraph("/graph", "sha256:2", "sha256:0"),
        base_model=BaseModel("/base/Format-Serving", "sha256:3"),
        custom_config={"a": [1]},
    )
    filled = FnArgs(**arguments.fn_args_for(inputs, Path("/model")))
    assert filled == FnArgs(
        train_files=["/artifacts/examples/Split-train/*"],
        eval_files=["/artifacts/examples/Split-eval/*"],
        train_steps=5,
        eval_steps=None,
        schema_path="/schema/schema.pbtxt",
        schema_file="/schema/schema.pbtxt",
        transform_graph_path="/graph",
        transform_output="/graph",
        serving_model_dir="/model/Format-Serving",
        eval_model_dir="/model/Format-TFMA",
        model_run_dir="/model/model_run",
        base_model="/base/Format-Serving",
        custom_config={"a": [1]},
    )


def test_leaves_what_is_not_given_null():
    filled = arguments.fn_args_for(BARE, Path("/model"))
    given = {name for name, value in filled.items() if value is not None}
    directories = {"serving_model_dir", "eval_model_dir", "model_run_dir"}
    assert given == {"train_files", "eval_files", "train_steps", *directories}


def test_refuses_a_split_that_is_not_there():
    inputs = dataclasses.replace(BARE, eval_args=StepArgs(0, ("test",)))
    with pytest.raises(ConfigurationError, match=r"eval_args.*'test'.*have 'train', 'eval'"):
        arguments.fn_args_for(inputs, Path("/model"))


def test_refuses_to_train_on_nothing():
    inputs = dataclasses.replace(BARE, train_args=StepArgs(5, ("eval",)))
    with pytest.raises(DataError, match=r"\['eval'\] of '/artifacts/examples' hold no examples"):
        arguments.fn_args_for(inputs, Path("/model"))
