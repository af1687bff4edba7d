"""An evaluation with confidence, from the examples to the record."""

import json
from pathlib import Path

import numpy as np
import pytest

from components.evaluator import evaluate
from components.records import Blessing

SURE = {"lower_bound": 0.6, "confidence": 0.95}
CONFIG = {
    "model_specs": [{"label_key": "late"}],
    "slicing_specs": [{}, {"feature_keys": ["hour"]}, {"feature_keys": ["tags", "half", "hour"]}],
    "metrics_specs": [
        {
            "metrics": [
                {
                    "class_name": "BinaryAccuracy",
                    "per_slice_thresholds": [
                        {
                            "slicing_specs": [{}, {"feature_keys": ["hour"]}],
                            "threshold": {
                                "value_threshold": SURE,
                                "change_threshold": {
                                    "direction": "HIGHER_IS_BETTER",
                                    "absolute": -0.2,
                                    "confidence": 0.95,
                                },
                            },
                        }
                    ],
                },
                {"class_name": "AUC"},
            ]
        }
    ],
}


def with_bound_in_small_slices(config, **options):
    metric = {
        "class_name": "AUC",
        "per_slice_thresholds": [
            {
                "slicing_specs": [{"feature_keys": ["tags", "half", "hour"]}],
                "threshold": {"value_threshold": {"lower_bound": 0.01, "confidence": 0.5}},
            }
        ],
    }
    return {**config, "metrics_specs": [{"metrics": [metric]}], "options": options}


@pytest.fixture
def judged(many_headed_model, other_model, examples, tmp_path):
    def run(config, name="evaluation"):
        return evaluate(
            model=many_headed_model,
            baseline=other_model,
            examples=examples,
            eval_config=config,
            output_dir=tmp_path / name,
        )

    return run


def test_the_record_has_the_intervals_of_findings(judged, columns, many_headed_model):
    blessing = judged(CONFIG)
    assert blessing.blessed
    assert len(blessing.findings) == 2 * 7
    for finding in blessing.findings:
        assert finding.interval.lower < finding.observed < finding.interval.upper
        assert "95 % interval" in finding.message
    overall = next(f for f in blessing.findings if not f.slice)
    error = np.sqrt(overall.observed * (1 - overall.observed) / len(columns["late"]))
    # One draw: its standard deviation is off by 16 %, so by less than 60 %.
    half = (overall.interval.upper - overall.interval.lower) / 2
    assert half == pytest.approx(2.093 * error, rel=0.6)

    again = judged(CONFIG, "again")
    assert again.findings == blessing.findings
    record = json.loads((Path(blessing.report_uri).parent / "record.json").read_text())
    assert Blessing.from_json(record) == blessing
    # Without, nothing is drawn, and values are the same.
    plain = json.loads(json.dumps(CONFIG).replace(', "confidence": 0.95', ""))
    without = judged(plain, "without")
    assert [f.observed for f in without.findings] == [f.observed for f in blessing.findings]
    assert {f.interval for f in without.findings} == {None}


def test_slices_that_are_too_small_fail_unless_the_policy_lets_their_values_decide(judged):
    refused = judged(with_bound_in_small_slices(CONFIG), "refused")
    undecided = [f for f in refused.failures if f.message.endswith("are too few to tell")]
    assert not refused.blessed
    assert len(undecided) == len(refused.failures) > 10
    policy = {"confidence_intervals": {"undecided": "JUDGE_VALUE"}}
    blessed = judged(with_bound_in_small_slices(CONFIG, **policy), "blessed")
    decided = [f for f in blessed.findings if f.message.endswith("so the value alone decided")]
    assert len(decided) == len(undecided)
    assert blessed.blessed
