"""EvalConfigs as TFX users write them, and those that are refused."""

import json
import subprocess
import sys

import pytest

from components.errors import ConfigurationError
from components.evaluator import check_can_bless, read_eval_config
from components.evaluator.model_spec import ModelSpec
from components.evaluator.slice_key import SlicingSpec
from components.evaluator.threshold import ChangeThreshold, Threshold, ValueThreshold

AUC = {"class_name": "AUC", "threshold": {"value_threshold": {"lower_bound": 0.7}}}


def config(**fields):
    return {
        "model_specs": [{"label_key": "late"}],
        "metrics_specs": [{"metrics": [AUC]}],
        **fields,
    }


def metrics_spec(*metrics, **fields):
    return config(metrics_specs=[{"metrics": list(metrics), **fields}])


SNAKE = {
    "model_specs": [
        {"signature_name": "serving_raw", "label_key": "late", "prediction_key": "p"},
        {"name": "baseline", "is_baseline": True, "prediction_key": "q"},
    ],
    "slicing_specs": [{}, {"feature_keys": ["b", "a"]}, {"feature_values": {"hour": "7"}}],
    "metrics_specs": [
        {
            "metrics": [
                {
                    "class_name": "AUC",
                    "config": '{"name": "area", "num_thresholds": 200}',
                    "threshold": {
                        "value_threshold": {"lower_bound": {"value": 0.7}},
                        "change_threshold": {
                            "absolute": {"value": -0.01},
                            "direction": "HIGHER_IS_BETTER",
                        },
                    },
                    "per_slice_thresholds": [
                        {
                            "slicing_specs": [{"feature_values": {"hour": "7"}}],
                            "threshold": {"value_threshold": {"upper_bound": 0.9}},
                        }
                    ],
                },
                {"class_name": "ExampleCount"},
            ],
            "thresholds": {"example_count": {"value_threshold": {"lower_bound": 100}}},
        }
    ],
    "options": {"min_slice_size": {"value": 5}, "include_default_metrics": {"value": False}},
}
CAMEL = {
    "modelSpecs": [
        {"signatureName": "serving_raw", "labelKey": "late", "predictionKey": "p"},
        {"name": "baseline", "isBaseline": True, "predictionKey": "q"},
    ],
    "slicingSpecs": [{}, {"featureKeys": ["b", "a"]}, {"featureValues": {"hour": "7"}}],
    "metricsSpecs": [
        {
            "metrics": [
                {
                    "className": "AUC",
                    "config": '{"name": "area", "num_thresholds": 200}',
                    "threshold": {
                        "valueThreshold": {"lowerBound": 0.7},
                        "changeThreshold": {"absolute": -0.01, "direction": 2},
                    },
                    "perSliceThresholds": [
                        {
                            "slicingSpecs": [{"featureValues": {"hour": "7"}}],
                            "threshold": {"valueThreshold": {"upperBound": "0.9"}},
                        }
                    ],
                },
                {"className": "ExampleCount"},
            ],
            "thresholds": {"example_count": {"valueThreshold": {"lowerBound": {"value": 100}}}},
        }
    ],
    "options": {"minSliceSize": "5", "includeDefaultMetrics": False},
}
TEXT = """
model_specs { signature_name: "serving_raw" label_key: "late" prediction_key: "p" }
model_specs { name: "baseline" is_baseline: true prediction_key: "q" }
slicing_specs {}
slicing_specs { feature_keys: ["b", "a"] }
slicing_specs { feature_values { key: "hour" value: "7" } }
metrics_specs {
  metrics {
    class_name: "AUC"
    config: '{"name": "area", "num_thresholds": 200}'
    threshold {
      value_threshold { lower_bound { value: 0.7 } }
      change_threshold { absolute { value: -0.01 } direction: HIGHER_IS_BETTER }
    }
    per_slice_thresholds {
      slicing_specs { feature_values { key: "hour" value: "7" } }
      threshold { value_threshold { upper_bound { value: 0.9 } } }
    }
  }
  metrics { class_name: "ExampleCount" }
  thresholds {
    key: "example_count"
    value { value_threshold { lower_bound { value: 100 } } }
  }
}
options { min_slice_size { value: 5 } include_default_metrics { value: false } }
"""


def file_with(path, text):
    path.write_text(text)
    return path


@pytest.fixture(params=["snake", "camel", "JSON text", "JSON file", "text proto"])
def everything(request, tmp_path):
    return {
        "snake": lambda: SNAKE,
        "camel": lambda: CAMEL,
        "JSON text": lambda: json.dumps(SNAKE),
        "JSON file": lambda: file_with(tmp_path / "config.json", json.dumps(CAMEL)),
        "text proto": lambda: str(file_with(tmp_path / "config.pbtxt", TEXT)),
    }[request.param]()


def test_reads_all_forms_alike(everything):
    read = read_eval_config(everything)
    assert read.candidate == ModelSpec("serving_raw", "late", "p", "")
    assert read.baseline == ModelSpec("serving_default", "", "q", "")
    hour = SlicingSpec((), (("hour", "7"),))
    assert read.slicing_specs == (SlicingSpec(), SlicingSpec(("a", "b")), hour)
    assert [metric.name for metric in read.metrics] == ["area", "example_count"]
    assert read.thresholds == (
        Threshold(
            "area",
            None,
            ValueThreshold("area", 0.7),
            ChangeThreshold("area", -0.01, higher_is_better=True),
        ),
        Threshold("area", hour, ValueThreshold("area", upper=0.9), None),
        Threshold("example_count", None, ValueThreshold("example_count", 100), None),
    )
    assert read.min_slice_size == 5
    assert read.digest == read_eval_config(SNAKE).digest
    check_can_bless(everything)


def test_another_bound_is_another_digest():
    other = json.loads(json.dumps(SNAKE).replace("0.7", "0.71"))
    assert read_eval_config(other).digest != read_eval_config(SNAKE).digest


def test_without_slicing_specs_all_examples_are_one_slice():
    assert read_eval_config(config()).slicing_specs == (SlicingSpec(),)


def test_takes_settings_as_an_object_and_without_braces():
    for settings in ({"name": "mine"}, '"name": "mine"', '{"name": "mine"}'):
        read = read_eval_config(metrics_spec({**AUC, "config": settings}))
        assert read.metrics[0].name == "mine"


@pytest.mark.parametrize(
    ("weights", "names"),
    [
        ({}, ["auc"]),
        ({"weighted": True, "unweighted": True}, ["auc", "auc (unweighted)"]),
        ({"unweighted": True}, ["auc"]),
    ],
)
def test_weighs_by_default_where_there_is_a_weight(weights, names):
    source = metrics_spec(AUC, example_weights=weights)
    source["model_specs"][0] = {"label_key": "late", "example_weight_key": "w"}
    read = read_eval_config(source)
    assert [metric.name for metric in read.metrics] == names
    assert [threshold.metric for threshold in read.thresholds] == names
    weighted = [metric.statistics[0].weighted for metric in read.metrics]
    assert weighted == ([False] if weights == {"unweighted": True} else [True, False])[: len(names)]


CHANGE = {"change_threshold": {"absolute": -0.1, "direction": "HIGHER_IS_BETTER"}}
ORIGIN = {"feature_keys": ["origin"]}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("missing.json", r"can't be read: .*missing\.json"),
        ("{not json", r"isn't JSON"),
        ('{"options": {}, "options": {}}', r"an object with 'options' more than once"),
        (
            metrics_spec({**AUC, "config": '"name": "a", "name": "b"'}),
            r"metrics\[0\]\.config is .* has an object with 'name' more than once",
        ),
        (config(metricsSpecs=[]), r"eval_config has both metrics_specs and metricsSpecs"),
        (
            metrics_spec(AUC, thresholds={"auc": {"value_threshold": {}, "valueThreshold": {}}}),
            r"metrics_specs\.thresholds has both value_threshold and valueThreshold",
        ),
        (config(model_spec=[]), r'no field named "model_spec"'),
        (config(model_specs=[{"label": "x"}]), r'no field named "label" at "EvalConfig\.model_spe'),
        (config(model_specs=[]), r"0 candidates and 0 baselines"),
        (config(model_specs=[{"label_key": "a"}, {"label_key": "a"}]), r"2 candidates"),
        (config(model_specs=[{}]), r"label_key is missing"),
        (
            config(model_specs=[{"label_key": "a"}, {"label_key": "b", "is_baseline": True}]),
            r"the baseline's label_key is 'b', the candidate's 'a'",
        ),
        (config(metrics_specs=[]), r"names no metrics"),
        (metrics_spec({"class_name": "Auc"}), r"'Auc' isn't known; expected one of AUC"),
        (metrics_spec(AUC, AUC), r"two metrics named 'auc'"),
        (metrics_spec({**AUC, "config": "{"}), r"metrics\[0\]\.config is '\{', which isn't JSON"),
        (metrics_spec(AUC, thresholds={"acu": {}}), r"thresholds for \['acu'\], which it doesn't"),
        (metrics_spec(AUC, example_weights={"weighted": True}), r"has no example_weight_key"),
        (metrics_spec({"class_name": "AUC", "threshold": {}}), r"threshold of 'auc' is empty"),
        (
            metrics_spec({"class_name": "AUC", "per_slice_thresholds": [{"threshold": CHANGE}]}),
            r"per_slice_threshold of 'auc' has no slicing_specs",
        ),
        (
            metrics_spec(
                {
                    "class_name": "AUC",
                    "per_slice_thresholds": [{"slicing_specs": [ORIGIN], "threshold": CHANGE}],
                }
            ),
            r"for the slices origin=\*, which slicing_specs doesn't make \(it makes overall\)",
        ),
    ],
)
def test_refuses_what_is_wrong(source, message):
    with pytest.raises(ConfigurationError, match=message):
        read_eval_config(source)


@pytest.mark.parametrize(
    ("metric", "fields", "message"),
    [
        (
            AUC,
            {"binarize": {"class_ids": {"values": [-1]}}},
            r"binarize\.class_ids has -1; expecte",
        ),
        (
            AUC,
            {"aggregate": {}},
            r"metrics_specs\[0\]\.aggregate has no type; expected one of micr",
        ),
        (AUC, {"aggregate": {"macro_average": True}}, r"aggregate needs class_weights"),
        (
            AUC,
            {"aggregate": {"micro_average": True, "top_k_list": {"values": [0]}}},
            r"expected k from 1",
        ),
        (AUC, {"query_key": "q"}, r"AUC isn't computed by query"),
        (AUC, {"output_names": [""], "query_key": "q"}, r"isn't computed by query"),
        (
            {"class_name": "CategoricalAccuracy"},
            {"aggregate": {"micro_average": True}},
            r"binarize and aggregate don't apply to CategoricalAccuracy",
        ),
        (
            {"class_name": "CalibrationPlot", "threshold": AUC["threshold"]},
            {},
            r"'calibration_plot' has a threshold, but is more than one number",
        ),
        (
            {"class_name": "CalibrationPlot"},
            {"aggregate": {"macro_average": True, "class_weights": {"0": 1.0}}},
            r"CalibrationPlot has no average over classes",
        ),
    ],
)
def test_refuses_what_can_not_be_computed(metric, fields, message):
    with pytest.raises(ConfigurationError, match=message):
        read_eval_config(metrics_spec(metric, **fields))


@pytest.mark.parametrize(
    ("source", "path"),
    [
        (config(cross_slicing_specs=[{}]), "cross_slicing_specs"),
        (config(slicing_specs=[{"slice_keys_sql": "SELECT"}]), r"slicing_specs\[0\]\.slice_keys_s"),
        (config(model_specs=[{"label_key": "a", "model_type": "tf_js"}]), r"model_type is 'tf_js'"),
        (
            metrics_spec({**AUC, "cross_slice_thresholds": [{}]}),
            r"metrics\[0\]\.cross_slice_thresholds",
        ),
        (config(options={"disabled_outputs": {"values": ["x"]}}), r"options\.disabled_outputs"),
    ],
)
def test_refuses_by_name_what_is_not_supported(source, path):
    with pytest.raises(ConfigurationError, match=path + ".*isn't supported yet"):
        read_eval_config(source)


def test_no_thresholds_could_never_refuse():
    with pytest.raises(ConfigurationError, match="has no thresholds"):
        check_can_bless(metrics_spec({"class_name": "AUC"}))


def test_changes_alone_deadlock_where_first_models_are_refused():
    source = metrics_spec({"class_name": "AUC", "threshold": CHANGE})
    check_can_bless(source, "bless")
    with pytest.raises(ConfigurationError, match="no model could ever become live"):
        check_can_bless(source, "refuse")


def test_no_thresholds_may_be_meant():
    check_can_bless(metrics_spec({"class_name": "AUC"}), without_thresholds=True)
    with pytest.raises(ConfigurationError, match="has thresholds, and was said to be without"):
        check_can_bless(config(), without_thresholds=True)


def test_names_the_first_run_policies():
    with pytest.raises(ConfigurationError, match="first_run is 'maybe'; expected 'bless' or"):
        check_can_bless(config(), "maybe")


@pytest.mark.parametrize(
    ("metrics_specs", "names"),
    [
        ({"binarize": {"class_ids": {"values": [0, 2]}}}, ["auc (class_id 0)", "auc (class_id 2)"]),
        ({"binarize": {"k_list": {"values": [1]}}}, ["auc (k 1)"]),
        ({"aggregate": {"micro_average": True}}, ["auc (micro_average)"]),
        (
            {"aggregate": {"macro_average": True, "class_weights": {"0": 1.0, "1": 2.0}}},
            ["auc (macro_average)"],
        ),
        (
            {"aggregate": {"weighted_macro_average": True, "top_k_list": {"values": [2]}}},
            ["auc (weighted_macro_average, top_k 2)"],
        ),
        (
            {"output_names": ["a", "b"], "example_weights": {"weighted": True, "unweighted": True}},
            [
                "auc (output a)", "auc (output a, unweighted)",
                "auc (output b)", "auc (output b, unweighted)",
            ],
        ),
    ],
)  # fmt: skip
def test_names_the_variants_of_a_metric_and_puts_its_threshold_on_each(metrics_specs, names):
    model_spec = {"label_key": "late", "example_weight_key": "w"}
    spec = {"metrics": [AUC], **metrics_specs}
    read = read_eval_config(config(model_specs=[model_spec], metrics_specs=[spec]))
    assert [metric.name for metric in read.metrics] == names
    assert [threshold.metric for threshold in read.thresholds] == names


def test_thresholds_go_to_fairness_indicators_by_name():
    fairness = {"class_name": "FairnessIndicators", "config": {"thresholds": [0.5]}}
    name = "fairness_indicators_metrics/false_positive_rate@0.5"
    limit = {name: {"value_threshold": {"upper_bound": 0.2}}}
    read = read_eval_config(metrics_spec(fairness, thresholds=limit))
    assert [threshold.metric for threshold in read.thresholds] == [name]
    fairness["threshold"] = limit[name]
    with pytest.raises(ConfigurationError, match=r"several metrics with one threshold; put it int"):
        read_eval_config(metrics_spec(fairness))


def test_a_threshold_may_name_one_of_the_slices_that_are_made():
    jfk = {"feature_values": {"origin": "JFK"}}
    limited = {"slicing_specs": [jfk], "threshold": CHANGE}
    source = metrics_spec({"class_name": "AUC", "per_slice_thresholds": [limited]})
    read_eval_config({**source, "slicing_specs": [ORIGIN]})
    with pytest.raises(ConfigurationError, match=r"origin=JFK, which slicing_specs doesn't make"):
        read_eval_config({**source, "slicing_specs": [{"feature_values": {"origin": "LGA"}}]})


def test_checking_loads_no_tensorflow():
    code = (
        "import sys; from components.evaluator import check_can_bless; "
        f"check_can_bless({config()!r}); "
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
