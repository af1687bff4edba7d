"""What KerasTuner would draw is accepted, and nothing else."""

import pytest

from components.errors import ConfigurationError, RecordError
from components.trainer.arguments import read_hyperparameters
from components.trainer.hyperparameter_space import check_values


def parameter(kind, **config):
    return {"class_name": kind, "config": {"name": "x", "conditions": [], **config}}


def number(kind, low, high, step=None, sampling="linear", **config):
    bounds = {"min_value": low, "max_value": high, "step": step, "sampling": sampling}
    return parameter(kind, **bounds, **config)


INT = number("Int", 1, 9, 2)
RATE = number("Float", 1e-4, 0.1, None, "log")
POWER = number("Int", 1, 64, 2, "log")
SHARE = number("Float", 0.0, 0.9, 0.1)
NAME = parameter("Choice", values=["relu", "tanh"], ordered=False)
SIZE = parameter("Choice", values=[16, 32], ordered=True)


def test_accepts_whatever_kerastuner_draws():
    import keras_tuner

    space = keras_tuner.HyperParameters()
    space.Int("int", 1, 9, step=2, default=4)
    space.Int("power", 3, 768, step=2, sampling="log")
    space.Int("reversed", 2, 32, step=2, sampling="reverse_log")
    space.Float("rate", 1e-4, 1e-1, sampling="log")
    space.Float("share", 0.0, 0.9, step=0.1)
    space.Float("scale", 0.001, 10.0, step=10, sampling="log")
    space.Choice("name", ["relu", "tanh"])
    space.Boolean("flag")
    space.Fixed("fixed", 3)
    with space.conditional_scope("name", ["tanh"]):
        space.Int("width", 100, 200)
    with space.conditional_scope("name", ["relu"]):
        space.Int("width", 1, 2)
    config = space.get_config()
    assert read_hyperparameters(config) == config
    oracle = keras_tuner.oracles.RandomSearchOracle("loss", hyperparameters=space, max_trials=60)
    drawn = [oracle.populate_space(str(trial))["values"] for trial in range(60)]
    assert {"relu", "tanh"} == {values["name"] for values in drawn}
    for values in drawn:
        read_hyperparameters({"space": config["space"], "values": values})


@pytest.mark.parametrize(
    ("space", "value", "allowed"),
    [
        (INT, "3", "a whole number from 1 to 9 in steps of 2"),
        (INT, 3.0, "a whole number from 1 to 9 in steps of 2"),
        (INT, True, "a whole number"),
        (INT, 11, "from 1 to 9"),
        (INT, 2, "in steps of 2"),
        (POWER, 3, "a whole number from 1 to 64 in steps of × 2"),
        (RATE, 0.2, "a number from 0.0001 to 0.1: give"),
        (RATE, "0.01", "a number from"),
        (RATE, None, "a number from"),
        (SHARE, 0.25, "in steps of 0.1"),
        (NAME, "gelu", "one of 'relu', 'tanh'"),
        (SIZE, "16", "one of 16, 32"),
        (SIZE, True, "one of 16, 32"),
        (parameter("Boolean", default=False), 1, "true or false"),
        (parameter("Fixed", value=3), 4, "3 alone"),
    ],
)
def test_refuses_a_value_outside_its_space(space, value, allowed):
    with pytest.raises(ConfigurationError, match="the hyperparameter 'x' is ") as caught:
        check_values([space], {"x": value})
    assert f"is {value!r}; its space allows" in str(caught.value)
    assert allowed in str(caught.value)


def test_conditions_say_which_of_several_spaces_counts():
    when = {"class_name": "Parent", "config": {"name": "kind", "values": ["deep"]}}
    deep = number("Int", 5, 9, 1, conditions=[when])
    check_values([deep], {"kind": "wide", "x": 1})
    check_values([deep], {"kind": "deep", "x": 6, "tuner/epochs": 3})
    with pytest.raises(ConfigurationError, match="'x' is 1; its space allows a whole number from"):
        check_values([deep], {"kind": "deep", "x": 1})


@pytest.mark.parametrize(
    "item",
    [
        3,
        {},
        {"class_name": "Int", "config": {"name": "x"}},
        {"class_name": "Float", "config": {**SHARE["config"], "step": 0}},
        {"class_name": "Int", "config": {**POWER["config"], "min_value": 0}},
        {"class_name": "Complex", "config": {"name": "x"}},
        {"class_name": "Choice", "config": {"name": "x", "values": []}},
        {"class_name": "Boolean", "config": {}},
    ],
)
def test_refuses_a_space_that_is_none(item):
    with pytest.raises(ConfigurationError, match="expected what KerasTuner writes"):
        check_values([item], {"x": 1})


def test_refuses_what_is_no_json():
    with pytest.raises(RecordError, match=r"hyperparameters\.rate is nan"):
        read_hyperparameters({"rate": float("nan")})
    with pytest.raises(RecordError, match=r"hyperparameters\.layers\[1\] is <object"):
        read_hyperparameters({"layers": [1, object()]})
