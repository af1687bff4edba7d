"""Measurements against thresholds: findings, and the sentences that people read."""

import dataclasses

import numpy as np
import pytest

from components.evaluator import judgement
from components.evaluator.eval_config import read_eval_config
from components.evaluator.judgement import BASELINE, CANDIDATE, Case, judge
from components.evaluator.tally import Measured, Measurements
from components.evaluator.threshold import ChangeThreshold, ValueThreshold
from components.evaluator.wording import change_sentence, numbers, value_sentence

OVERALL, JFK, LGA = (), (("origin", "JFK"),), (("origin", "LGA"),)


def features(key):
    return tuple(name for name, _ in key)


def case(metric, candidate, baseline=None, *, not_finite=0, first_run="bless", **config):
    """Return a case with the AUCs of slices; `metric` has the thresholds."""
    slices = tuple(candidate)
    made = {features(key): {"feature_keys": features(key)} for key in slices}
    read = read_eval_config(
        {
            "model_specs": [{"label_key": "late"}],
            "slicing_specs": list(made.values()),
            "metrics_specs": [{"metrics": [{"class_name": "AUC", **metric}]}],
            **config,
        }
    )

    def measured(values):
        broken = np.where(np.isnan(values), not_finite, 0)
        return Measured({"auc": np.array(values)}, broken)

    models = {CANDIDATE: measured(list(candidate.values()))}
    if baseline is not None:
        models[BASELINE] = measured([baseline[key] for key in slices])
    measurements = Measurements(slices, np.full(len(slices), 40), models)
    title = "nothing live" if baseline is None else "live version 20130201000000"
    return Case(read, measurements, title, first_run)


def value(**bounds):
    return {"threshold": {"value_threshold": bounds}}


def change(**limits):
    return {"threshold": {"change_threshold": {"direction": "HIGHER_IS_BETTER", **limits}}}


def told(findings):
    return [(finding.check, finding.passed, finding.message) for finding in findings]


def test_a_threshold_holds_for_every_slice_unless_it_names_some():
    findings = judge(case(value(lower_bound=0.7), {OVERALL: 0.75, JFK: 0.7, LGA: 0.612}))
    assert told(findings) == [
        ("value_threshold", True, "AUC overall is 0.750; it must be at least 0.7"),
        ("value_threshold", True, "AUC for origin=JFK is 0.700; it must be at least 0.7"),
        ("value_threshold", False, "AUC for origin=LGA is 0.612, below the bound 0.700"),
    ]
    failed = findings[2]
    assert failed.metric == "auc"
    assert failed.slice == {"origin": "LGA"}
    assert failed.observed == 0.612
    assert (failed.bound.lower, failed.bound.upper, failed.baseline) == (0.7, None, None)


def test_a_threshold_for_some_slices_leaves_others_alone():
    per_slice = {
        "per_slice_thresholds": [
            {
                "slicing_specs": [{"feature_values": {"origin": "JFK"}}],
                "threshold": {"value_threshold": {"lower_bound": 0.7}},
            }
        ]
    }
    findings = judge(case(per_slice, {OVERALL: 0.5, JFK: 0.7, LGA: 0.1}))
    assert [(finding.slice, finding.passed) for finding in findings] == [({"origin": "JFK"}, True)]
    (missing,) = judge(case(per_slice, {OVERALL: 0.9, LGA: 0.9}))
    assert (missing.check, missing.passed, missing.slice) == (
        "slice_missing",
        False,
        {"origin": "JFK"},
    )
    assert missing.message == (
        "AUC must hold for the slices origin=JFK, but no example belongs to one"
    )


@pytest.mark.parametrize("made", [{"feature_keys": ["orgin"]}, {"feature_values": {"origin": "X"}}])
def test_a_slice_asked_for_that_no_example_has_fails_a_threshold_for_every_slice(made):
    asked = {"slicing_specs": [{}, {"feature_keys": ["origin"]}, made]}
    holds = {OVERALL: 0.9, JFK: 0.9}
    *_, missing = findings = judge(case(value(lower_bound=0.7), holds, **asked))
    assert [finding.passed for finding in findings] == [True, True, False]
    where = made.get("feature_values", {"orgin": "*"})
    assert (missing.check, missing.slice) == ("slice_missing", where)
    name = "orgin=*" if "feature_keys" in made else "origin=X"
    assert f"AUC must hold for the slices {name}, but no" in missing.message
    some = {"slicing_specs": [made if "feature_values" in made else {}], **value(lower_bound=0.7)}
    only_some = judge(case({"per_slice_thresholds": [some]}, holds, **asked))
    assert [finding.passed for finding in only_some] == ["feature_keys" in made]
    passing = dataclasses.replace(
        case(value(lower_bound=0.7), holds, **asked), missing_slice="pass"
    )
    assert all(finding.passed for finding in judge(passing))


def test_a_slice_made_within_those_of_a_threshold_must_be_there_too():
    made = [{"feature_values": {"origin": airport}} for airport in ("JFK", "JFX")]
    every = {"slicing_specs": [{"feature_keys": ["origin"]}], **value(lower_bound=0.7)}
    asked = case({"per_slice_thresholds": [every]}, {JFK: 0.9}, slicing_specs=made)
    findings = judge(asked)
    assert [(each.check, each.passed) for each in findings] == [
        ("value_threshold", True),
        ("slice_missing", False),
    ]


def test_names_the_live_version_that_was_better():
    findings = judge(case(change(absolute=-0.02), {JFK: 0.66}, {JFK: 0.71}))
    assert told(findings) == [
        (
            "change_threshold",
            False,
            "AUC for origin=JFK fell from 0.710 (live version 20130201000000) to 0.660, more than "
            "the allowed 0.02",
        )
    ]
    (finding,) = findings
    assert (finding.observed, finding.baseline, finding.bound.lower) == (0.66, 0.71, 0.69)


def test_value_and_change_are_two_findings():
    both = {"threshold": {**value(lower_bound=0.6)["threshold"], **change(absolute=0)["threshold"]}}
    findings = judge(case(both, {OVERALL: 0.7}, {OVERALL: 0.65}))
    assert [(finding.check, finding.passed) for finding in findings] == [
        ("value_threshold", True),
        ("change_threshold", True),
    ]


@pytest.mark.parametrize("first_run", ["bless", "refuse"])
@pytest.mark.parametrize("with_baseline", [True, False])
@pytest.mark.parametrize("threshold", [value(upper_bound=1), change(absolute=-1)])
def test_nan_fails_every_threshold(threshold, with_baseline, first_run):
    baseline = {OVERALL: 0.7} if with_baseline else None
    nan = case(threshold, {OVERALL: np.nan}, baseline, not_finite=3, first_run=first_run)
    finding = judge(nan)[-1]
    assert not finding.passed
    assert finding.observed is None
    assert finding.message == (
        "AUC overall has no value, so it meets no threshold: 3 predictions are NaN or infinite"
    )


def test_a_baseline_without_value_fails():
    findings = judge(case(change(absolute=-1), {OVERALL: 0.7}, {OVERALL: np.nan}))
    assert told(findings) == [
        (
            "change_threshold",
            False,
            "of the live version 20130201000000: AUC overall has no value, so it meets no "
            "threshold: it isn't defined for these examples, for instance because all are of one "
            "class or weigh nothing, or numbers that are added up are beyond 1e33",
        )
    ]
    assert findings[0].bound is None


def test_says_that_a_slice_is_too_small():
    small = case(value(lower_bound=0.5), {JFK: np.nan}, options={"min_slice_size": 50})
    assert judge(small)[0].message.endswith("has 40 examples, fewer than min_slice_size 50")


def test_a_first_model_is_held_to_bounds_only():
    both = {"threshold": {**value(lower_bound=0.6)["threshold"], **change(absolute=0)["threshold"]}}
    findings = judge(case(both, {OVERALL: 0.7}))
    assert told(findings)[1] == (
        "change_threshold",
        True,
        "AUC overall is 0.700, not compared: there is nothing to compare it with (nothing live)",
    )
    assert all(finding.passed for finding in findings)
    assert not all(finding.passed for finding in judge(case(both, {OVERALL: 0.5})))


def test_a_first_model_may_be_refused_whatever_it_does():
    first, *others = judge(case(value(lower_bound=0.6), {OVERALL: 0.7}, first_run="refuse"))
    assert (first.check, first.passed) == ("first_run", False)
    assert "evaluate with first_run 'bless', or let a person approve it" in first.message
    assert all(finding.passed for finding in others)
    compared = case(value(lower_bound=0.6), {OVERALL: 0.7}, {OVERALL: 0.7}, first_run="refuse")
    assert all(finding.passed for finding in judge(compared))


HIGHER, LOWER = {"higher_is_better": True}, {"higher_is_better": False}


@pytest.mark.parametrize(
    ("threshold", "observed", "baseline", "sentence"),
    [
        (
            ChangeThreshold("m", -0.02, **HIGHER),
            0.70,
            0.71,
            "fell from 0.710 (live) to 0.700; it may fall by at most 0.02",
        ),
        (
            ChangeThreshold("m", -0.02, **HIGHER),
            0.71,
            0.71,
            "stayed at 0.710 (live); it may fall by at most 0.02",
        ),
        (
            ChangeThreshold("m", 0.0, **HIGHER),
            0.70,
            0.71,
            "fell from 0.710 (live) to 0.700, but it may not fall",
        ),
        (
            ChangeThreshold("m", 0.01, **HIGHER),
            0.71,
            0.71,
            "stayed at 0.710 (live), but it must rise by at least 0.01",
        ),
        (
            ChangeThreshold("m", 0.1, **LOWER),
            0.6,
            0.4,
            "rose from 0.400 (live) to 0.600, more than the allowed 0.1",
        ),
        (
            ChangeThreshold("m", None, 0.1, **LOWER),
            0.6,
            0.4,
            "rose from 0.400 (live) to 0.600, more than the allowed 10 % of its amount",
        ),
        (
            ChangeThreshold("m", -0.05, **LOWER),
            0.38,
            0.4,
            "fell from 0.400 (live) to 0.380, but it must fall by at least 0.05",
        ),
        (
            ChangeThreshold("m", -0.02, -0.01, **HIGHER),
            0.70,
            0.71,
            "fell from 0.710 (live) to 0.700, but it may fall by at most 0.02 and may fall by at "
            "most 1 % of its amount",
        ),
    ],
)
def test_says_how_a_metric_changed(threshold, observed, baseline, sentence):
    said = change_sentence("AUC", OVERALL, (observed, baseline), "live", threshold)
    assert said == f"AUC overall {sentence}"


@pytest.mark.parametrize(
    ("bounds", "observed", "sentence"),
    [
        ((None, 0.5), 0.6, "is 0.600, above the bound 0.500"),
        ((0.2, 0.5), 0.3, "is 0.300; it must be from 0.2 to 0.5"),
        ((None, 0.5), 0.3, "is 0.300; it must be at most 0.5"),
        ((0.7, None), 0.69999, "is 0.69999, below the bound 0.70000"),
        ((10_000, None), 8774, "is 8774, below the bound 10000"),
    ],
)
def test_says_how_a_value_stands(bounds, observed, sentence):
    said = value_sentence("AUC", OVERALL, observed, ValueThreshold("m", *bounds))
    assert said == f"AUC overall {sentence}"


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ((0.5, 0.5), ["0.500", "0.500"]),
        ((0.71, 0.7100004), ["0.7100000", "0.7100004"]),
        ((1e-9, 0.0), ["1e-09", "0.000"]),
        ((12.0, 3.25), ["12", "3.250"]),
        ((0.1 + 0.2, 0.3), ["0.30000000000000004", "0.3"]),
    ],
)
def test_writes_numbers_so_that_they_can_be_told_apart(values, texts):
    assert numbers(*values) == texts


def test_of_very_many_slices_the_failed_and_the_greatest_are_listed_and_all_count(monkeypatch):
    monkeypatch.setattr(judgement, "MAX_LISTED", 4)
    names = [(("origin", f"S{number}"),) for number in range(9)]
    aucs = {key: 0.1 if number in (2, 7) else 0.9 for number, key in enumerate(names)}
    judged = case(value(lower_bound=0.7), aucs)
    judged = dataclasses.replace(
        judged,
        measurements=dataclasses.replace(judged.measurements, num_examples=np.arange(9)),
    )
    others, *listed = judge(judged)
    assert [finding.slice["origin"] for finding in listed] == ["S2", "S6", "S7", "S8"]
    assert [finding.passed for finding in listed] == [False, True, False, True]
    assert (others.check, others.passed, others.metric) == ("not_listed", True, None)
    assert others.message.startswith("AUC meets its threshold in 5 more slice(s)")

    monkeypatch.setattr(judgement, "MAX_LISTED", 1)
    missed, met, listed = judge(judged)
    assert listed.slice == {"origin": "S7"}
    assert (missed.passed, met.passed) == (False, True)
    assert "misses its threshold in 1 more slice(s)" in missed.message
    assert "meets its threshold in 7 more" in met.message
