"""What an EvalConfig says of confidence, and what of it contradicts itself."""

import pickle

import pytest

from components.errors import ConfigurationError
from components.evaluator import check_can_bless, read_eval_config
from components.evaluator.resampling import Method
from components.evaluator.threshold import ChangeThreshold, ValueThreshold


def config(class_name="AUC", value=None, change=None, options=None, **settings):
    threshold = {}
    if value is not None:
        threshold["value_threshold"] = value
    if change is not None:
        threshold["change_threshold"] = {"direction": "HIGHER_IS_BETTER", **change}
    return {
        "model_specs": [{"label_key": "late"}],
        "metrics_specs": [{"metrics": [{"class_name": class_name, "threshold": threshold}]}],
        "options": options or {},
        **settings,
    }


SURE = {"lower_bound": 0.7, "confidence": 0.95}
PLAIN = {"lower_bound": 0.7}
TRUE, FALSE = ({"compute_confidence_intervals": {"value": value}} for value in (True, False))


@pytest.mark.parametrize(
    ("value", "options", "method"),
    [
        (PLAIN, {}, None),
        (PLAIN, FALSE, None),
        (PLAIN, TRUE, Method.JACKKNIFE),
        (PLAIN, {"computeConfidenceIntervals": True}, Method.JACKKNIFE),
        (SURE, {}, Method.JACKKNIFE),
        (SURE, TRUE, Method.JACKKNIFE),
        (SURE, {"confidence_intervals": {"undecided": "JUDGE_VALUE"}}, Method.JACKKNIFE),
        (
            PLAIN,
            {**TRUE, "confidence_intervals": {"method": "POISSON_BOOTSTRAP"}},
            Method.POISSON_BOOTSTRAP,
        ),
        (PLAIN, {**TRUE, "confidenceIntervals": {"method": "JACKKNIFE"}}, Method.JACKKNIFE),
    ],
)
def test_a_confidence_is_reason_enough_for_intervals(value, options, method):
    read = read_eval_config(config(value=value, options=options))
    assert (read.resampling.method if read.resampling else None) == method
    (threshold,) = read.thresholds
    assert threshold.asks_confidence is ("confidence" in value)


def test_value_and_change_have_confidences_of_their_own():
    change = {"absolute": -0.01, "confidence": {"value": 0.8}}
    (threshold,) = read_eval_config(config(value=SURE, change=change)).thresholds
    assert threshold.value == ValueThreshold("auc", 0.7, None, 0.95)
    assert threshold.change == ChangeThreshold("auc", -0.01, None, True, 0.8)
    (threshold,) = read_eval_config(config(value=PLAIN, change=change)).thresholds
    assert (threshold.value.confidence, threshold.change.confidence) == (None, 0.8)


def test_too_small_a_slice_fails_unless_said_otherwise():
    said = {"confidence_intervals": {"undecided": "JUDGE_VALUE"}}
    assert read_eval_config(config(value=SURE)).undecided == "FAIL"
    read = read_eval_config(config(value=SURE, options=said))
    assert read.undecided == "JUDGE_VALUE"
    again = pickle.loads(pickle.dumps(read))
    assert (again.undecided, again.resampling, again.thresholds, again.digest) == (
        read.undecided,
        read.resampling,
        read.thresholds,
        read.digest,
    )
    assert read.digest != read_eval_config(config(value=SURE)).digest


def test_reads_the_text_form(tmp_path):
    path = tmp_path / "config.pbtxt"
    path.write_text(
        'model_specs { label_key: "late" } metrics_specs { metrics { class_name: "AUC" threshold {'
        " value_threshold { lower_bound { value: 0.7 } confidence { value: 0.95 } } } } }"
        " options { confidence_intervals { method: POISSON_BOOTSTRAP undecided: JUDGE_VALUE } }"
    )
    options = {"confidence_intervals": {"method": "POISSON_BOOTSTRAP", "undecided": "JUDGE_VALUE"}}
    assert (
        read_eval_config(path).digest == read_eval_config(config("AUC", SURE, None, options)).digest
    )


BEST = r"the best there can be, and no interval is that narrow: no model could ever be blessed"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (config(value={**PLAIN, "confidence": 0}), r"confidence 0; expected more than 0 and less"),
        (config(value={**PLAIN, "confidence": 95}), r"confidence 95; expected more than 0"),
        (
            config(change={"absolute": 0, "confidence": 1}),
            r"change_threshold of 'auc' has the conf",
        ),
        (
            config(value=SURE, options=FALSE),
            r"has a confidence, and .*intervals is false; take one",
        ),
        (
            config(value=PLAIN, options={"confidence_intervals": {"method": "JACKKNIFE"}}),
            r"options has confidence_intervals, but none are computed",
        ),
        (config(value=SURE, options={"confidence_intervals": {"method": "BCA"}}), r"isn't an Eval"),
        (config("ExampleCount", SURE), r"ExampleCount counts examples: that is no estimate"),
        (
            config("MeanLabel", change={"absolute": 0, "confidence": 0.9}),
            r"MeanLabel is about the examples alone, so it is the same for all models",
        ),
        (
            config(value={"lower_bound": 1, "confidence": 0.9}),
            r"lower_bound 1 .*0\.9, but.*" + BEST,
        ),
        (config(value={"upper_bound": 0, "confidence": 0.9}), r"upper_bound 0 .*" + BEST),
        (config(change={"absolute": 1, "confidence": 0.9}), r"absolute change 1 .*" + BEST),
        (
            config(
                change={"absolute": -1, "confidence": 0.9, "direction": "LOWER_IS_BETTER"},
            ),
            r"absolute change -1 .*" + BEST,
        ),
        (
            config(value={"lower_bound": 0.7, "upper_bound": 0.7, "confidence": 0.9}),
            r"asks for exactly 0\.7 with the confidence 0\.9, but no interval is that narrow",
        ),
        (
            config(
                "BinaryAccuracy",
                {"lower_bound": 1, "confidence": 0.9},
                options={"confidence_intervals": {"undecided": "JUDGE_VALUE"}},
            ),
            r"lower_bound 1 .*" + BEST,
        ),
    ],
)
def test_refuses_what_contradicts_itself(source, message):
    with pytest.raises(ConfigurationError, match=message):
        check_can_bless(source)


def test_a_ranking_has_no_interval():
    ranking = config("NDCG", SURE)
    ranking["metrics_specs"][0]["query_key"] = "query"
    ranking["metrics_specs"][0]["metrics"][0]["config"] = {"gain_key": "g", "top_k_list": [5]}
    with pytest.raises(ConfigurationError, match="is computed by query, so it has no interval"):
        read_eval_config(ranking)


@pytest.mark.parametrize(
    "source",
    [
        config(value={"lower_bound": 0.99, "confidence": 0.99}),
        config(value={"lower_bound": 0, "confidence": 0.9}),
        config(change={"absolute": 0, "confidence": 0.9}),
        config("MeanLabel", SURE),
        # Where all samples agree the value alone may decide.
        config(
            value={"lower_bound": 1, "confidence": 0.9},
            options={"confidence_intervals": {"undecided": "JUDGE_VALUE"}},
        ),
    ],
)
def test_lets_be_asked_what_can_be_met(source):
    check_can_bless(source)
