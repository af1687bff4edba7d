"""Verdicts with a confidence, and how their sentences say how sure they are."""

import dataclasses

import numpy as np
import pytest

from components.evaluator.eval_config import read_eval_config
from components.evaluator.judgement import BASELINE, CANDIDATE, Case, judge
from components.evaluator.resampling import Resampling
from components.evaluator.tally import Measured, Measurements

T = 2.093024054408263
"""Student's t for 95 % with 19 degrees of freedom, of printed tables."""


def around(value, reach):
    """Return samples of a jackknife whose 95 % interval reaches so far on either side."""
    steps = np.linspace(-1, 1, 20)
    unit = Resampling().standard_error(steps) * T
    return value + steps * (reach / unit)


def case(threshold, candidate, baseline=None, *, metric="AUC", size=400, **options):
    """Return a case of one slice; models are a value and its samples."""
    config = read_eval_config(
        {
            "model_specs": [{"label_key": "late"}],
            "metrics_specs": [{"metrics": [{"class_name": metric, "threshold": threshold}]}],
            "options": options,
        }
    )
    name = config.metrics[0].name
    models = {CANDIDATE: candidate} | ({BASELINE: baseline} if baseline is not None else {})
    measured = {
        model: Measured(
            {name: np.array([value])}, np.zeros(1, np.int64), samples={name: samples[None, :]}
        )
        for model, (value, samples) in models.items()
    }
    measurements = Measurements(((),), np.array([size]), measured)
    return Case(config, measurements, "live version 7", "bless")


def value(confidence=0.95, **bounds):
    return {"value_threshold": {"confidence": confidence, **bounds}}


def change(confidence=0.95, direction="HIGHER", **limits):
    return {
        "change_threshold": {
            "direction": f"{direction}_IS_BETTER",
            "confidence": confidence,
            **limits,
        }
    }


@pytest.mark.parametrize(
    ("threshold", "observed", "reach", "passed", "message"),
    [
        (value(lower_bound=0.7), 0.75, 0.02, True,
         "AUC overall is 0.750 (95 % interval 0.730 to 0.770); it must be at least 0.7 with 95 % "
         "confidence"),
        (value(lower_bound=0.7), 0.71, 0.02, False,
         "AUC overall is 0.710, but its 95 % interval goes down to 0.690, below the bound 0.700"),
        (value(upper_bound=0.7), 0.69, 0.02, False,
         "AUC overall is 0.690, but its 95 % interval goes up to 0.710, above the bound 0.700"),
        (value(lower_bound=0.7), 0.69, 0.02, False,
         "AUC overall is 0.690 (95 % interval 0.670 to 0.710), below the bound 0.700"),
        (value(lower_bound=0.6, upper_bound=0.8), 0.7, 0.05, True,
         "AUC overall is 0.700 (95 % interval 0.650 to 0.750); it must be from 0.6 to 0.8 with "
         "95 % confidence"),
        ({"value_threshold": {"lower_bound": 0.7}}, 0.71, 0.02, True,
         "AUC overall is 0.710 (95 % interval 0.690 to 0.730); it must be at least 0.7"),
    ],
)  # fmt: skip
def test_all_of_the_interval_must_lie_within_the_bounds(
    threshold, observed, reach, passed, message
):
    options = {"compute_confidence_intervals": True}
    (finding,) = judge(case(threshold, (observed, around(observed, reach)), **options))
    assert (finding.passed, finding.message) == (passed, message)
    ends = (finding.interval.lower, finding.interval.upper)
    assert ends == pytest.approx((observed - reach, observed + reach))


def test_a_higher_confidence_may_fail_what_a_lower_one_lets_through():
    samples = around(0.72, 0.03)
    verdicts = [
        judge(case(value(confidence, lower_bound=0.7), (0.72, samples)))[0].passed
        for confidence in (0.5, 0.8, 0.95)
    ]
    assert verdicts == [True, True, False]


@pytest.mark.parametrize(
    ("threshold", "pair", "reach", "passed", "message"),
    [
        (change(absolute=-0.01), (0.72, 0.71), 0.015, True,
         "AUC overall rose from 0.710 (live version 7) to 0.720 (95 % interval of the change "
         "−0.005 to +0.025); it may fall by at most 0.01 with 95 % confidence"),
        (change(absolute=-0.01), (0.705, 0.71), 0.015, False,
         "AUC overall fell from 0.710 (live version 7) to 0.705 (95 % interval of the change "
         "−0.020 to +0.010), but it may fall by at most 0.01 with "
         "95 % confidence"),
        (change(absolute=0), (0.74, 0.71), 0.01, True,
         "AUC overall rose from 0.710 (live version 7) to 0.740 (95 % interval of the change "
         "+0.020 to +0.040); it may not fall with 95 % confidence"),
        (change(absolute=-0.01), (0.69, 0.71), 0.005, False,
         "AUC overall fell from 0.710 (live version 7) to 0.690 (95 % interval of the change "
         "−0.025 to −0.015), more than the allowed 0.01"),
        (change(absolute=0.01, direction="LOWER"), (0.718, 0.71), 0.004, False,
         "AUC overall rose from 0.710 (live version 7) to 0.718 (95 % interval of the change "
         "+0.004 to +0.012), but it may rise by at most 0.01 with "
         "95 % confidence"),
    ],
)  # fmt: skip
def test_a_change_is_judged_by_the_differences_in_the_same_samples(
    threshold, pair, reach, passed, message
):
    """The models' own intervals are far wider than that of their change."""
    observed, live = pair
    common = around(0, 0.2)
    candidate = observed + common + around(0, reach)[::-1]
    baseline = live + common
    (finding,) = judge(case(threshold, (observed, candidate), (live, baseline)))
    assert (finding.passed, finding.message) == (passed, message)
    # In the record as what the value may be, given the baseline's, so like the bound.
    ends = (finding.interval.lower, finding.interval.upper)
    assert ends == pytest.approx((observed - reach, observed + reach))


def test_a_relative_change_has_an_interval_of_its_own():
    candidate, baseline = (0.78, np.full(20, 0.78)), (0.8, around(0.8, 0.01))
    (finding,) = judge(case(change(relative=-0.05), candidate, baseline))
    assert finding.passed
    assert (
        "(95 % interval of the relative change −3.72 % to −1.28 %); it may fall" in finding.message
    )
    relative = 0.78 / baseline[1] - 1
    reach = T * Resampling().standard_error(relative)
    ends = (finding.interval.lower, finding.interval.upper)
    assert ends == pytest.approx((0.78 - 0.8 * reach, 0.78 + 0.8 * reach))
    (finding,) = judge(case(change(relative=-0.03), candidate, baseline))
    assert not finding.passed


NO_INTERVAL = np.full(20, np.nan)


@pytest.mark.parametrize("threshold", [value(lower_bound=0.7), change(absolute=-0.01)])
@pytest.mark.parametrize(
    ("samples", "why"),
    [(NO_INTERVAL, "its 31 examples are too few to tell"),
     (np.full(20, 0.75), "all samples of its 31 examples agree")],
)  # fmt: skip
def test_what_can_not_be_told_fails_unless_the_value_may_decide(threshold, samples, why):
    models = ((0.75, samples), (0.74, samples - 0.01))
    (finding,) = judge(case(threshold, *models, size=31))
    assert not finding.passed
    assert finding.message.endswith(f"with 95 % confidence, but {why}")
    assert finding.interval is None
    policy = {"confidence_intervals": {"undecided": "JUDGE_VALUE"}}
    (finding,) = judge(case(threshold, *models, size=31, **policy))
    assert finding.passed
    assert finding.message.endswith(f"{why}, so the value alone decided")
    worse = ((0.6, samples), (0.74, samples))
    (finding,) = judge(case(threshold, *worse, size=31, **policy))
    assert not finding.passed
    assert "decided" not in finding.message


@pytest.mark.parametrize(("lower", "passed"), [(0.99, True), (0.995, False)])
def test_a_perfect_accuracy_is_as_sure_as_examples_are_many(lower, passed):
    perfect = (1.0, np.ones(20))
    threshold = value(lower_bound=lower)
    (finding,) = judge(case(threshold, perfect, metric="BinaryAccuracy", size=400))
    assert finding.passed is passed
    assert finding.interval.lower == pytest.approx(0.025 ** (1 / 400))


def test_nan_fails_before_anything_is_asked_of_intervals():
    policy = {"confidence_intervals": {"undecided": "JUDGE_VALUE"}}
    nan = (np.nan, NO_INTERVAL)
    for threshold in (value(lower_bound=0.7), change(absolute=-1)):
        (finding,) = judge(case(threshold, nan, (0.7, NO_INTERVAL), **policy))
        assert not finding.passed
        assert "has no value" in finding.message


def test_a_first_model_is_not_compared():
    (finding,) = judge(case(change(absolute=-0.01), (0.7, around(0.7, 0.1))))
    assert finding.passed
    assert "not compared" in finding.message


@pytest.mark.parametrize("limit", [0, -0.01])
def test_a_model_compared_with_itself_surely_does_not_change(limit):
    """Else the same bytes could never be found to be live already."""
    same = (0.75, NO_INTERVAL)
    compared = case(change(absolute=limit, relative=limit), same, same)
    (finding,) = judge(dataclasses.replace(compared, is_same_model=True))
    assert finding.passed
    assert (finding.interval.lower, finding.interval.upper) == (0.75, 0.75)
    (finding,) = judge(compared)
    assert not finding.passed
