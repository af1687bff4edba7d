"""Configurations that could never bless a model are refused before one is loaded."""

import pytest

from components.errors import ConfigurationError
from components.evaluator import check_can_bless

JFK = {"feature_values": {"origin": "JFK"}}
ORIGIN = {"feature_keys": ["origin"]}


def config(class_name, *limits):
    """Return a configuration; a limit is a threshold, or a pair of a slicing spec and one."""
    metric = {"class_name": class_name, "per_slice_thresholds": []}
    for limit in limits:
        if isinstance(limit, tuple):
            spec, threshold = limit
            metric["per_slice_thresholds"].append({"slicing_specs": [spec], "threshold": threshold})
        else:
            metric["threshold"] = limit
    return {
        "model_specs": [{"label_key": "late"}],
        "slicing_specs": [{}, ORIGIN],
        "metrics_specs": [{"metrics": [metric]}],
    }


def value(lower=None, upper=None):
    bounds = {"lower_bound": lower, "upper_bound": upper}
    return {"value_threshold": {name: b for name, b in bounds.items() if b is not None}}


def change(direction, **limits):
    return {"change_threshold": {"direction": f"{direction}_IS_BETTER", **limits}}


@pytest.mark.parametrize(
    ("class_name", "limit", "message"),
    [
        (
            "AUC",
            value(lower=1.7),
            r"lower_bound 1\.7, but AUC is 1 at most: no model could ever be",
        ),
        ("AUC", value(upper=-0.1), r"upper_bound -0\.1, but AUC is 0 at least"),
        ("BinaryCrossentropy", value(upper=-1), r"upper_bound -1, but BinaryCrossentropy is 0 at"),
        ("R2Score", value(lower=1.1), r"R2Score is 1 at most"),
        ("F1Score", value(lower=1.1), r"F1Score is 1 at most"),
        ("AUC", change("HIGHER", absolute=1.5), r"absolute change of 1\.5, but AUC goes from 0 to"),
        ("AUC", change("LOWER", absolute=-1.5), r"absolute change of -1\.5"),
        ("MeanSquaredError", change("LOWER", relative=-1.5), r"can't fall by more than all"),
    ],
)
def test_refuses_what_the_metric_can_not_be(class_name, limit, message):
    with pytest.raises(ConfigurationError, match=message):
        check_can_bless(config(class_name, limit))


@pytest.mark.parametrize(
    ("class_name", "limit"),
    [
        ("AUC", value(lower=1.0)),
        ("AUC", value(upper=0.0)),
        ("AUC", change("HIGHER", absolute=1.0)),
        ("AUC", change("HIGHER", absolute=-1.5)),
        ("R2Score", value(upper=-5)),
        ("Calibration", value(lower=1.7)),
        ("MatthewsCorrelationCoefficient", value(upper=-0.5)),
        ("MeanSquaredError", change("LOWER", relative=-1.0)),
        ("MeanSquaredError", value(lower=1000)),
    ],
)
def test_lets_the_utmost_be_asked(class_name, limit):
    check_can_bless(config(class_name, limit))


@pytest.mark.parametrize(
    "limits",
    [
        [value(lower=0.7), ({}, value(upper=0.6))],
        [value(upper=0.6), (ORIGIN, value(lower=0.7))],
        [(ORIGIN, value(upper=0.6)), (JFK, value(lower=0.7))],
        [(JFK, value(upper=0.6)), (JFK, value(lower=0.7))],
    ],
)
def test_refuses_thresholds_that_exclude_each_other(limits):
    with pytest.raises(
        ConfigurationError, match=r"lower_bound 0\.7 .* another the upper_bound 0\.6"
    ):
        check_can_bless(config("AUC", *limits))


def test_different_slices_may_be_held_to_different_bounds():
    check_can_bless(config("AUC", ({}, value(lower=0.7)), (ORIGIN, value(upper=0.6))))
    lga = {"feature_values": {"origin": "LGA"}}
    check_can_bless(config("AUC", (lga, value(lower=0.7)), (JFK, value(upper=0.6))))
    check_can_bless(config("AUC", value(lower=0.7), ({}, value(upper=0.7))))
