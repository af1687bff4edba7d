"""Whole evaluations of real SavedModels: verdicts, records, files, and what is refused."""

import dataclasses
import functools
import gzip
import html.parser
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from components import artifacts, records
from components.errors import ConfigurationError, DataError, InvalidModelError
from components.evaluator import evaluate
from components.records import Split

GENERATOR = np.random.default_rng(11)
LABELS = (GENERATOR.random(600) < 0.4).astype(int)
SCORES = np.clip(0.3 * LABELS + GENERATOR.normal(0.4, 0.2, 600), 0, 1).astype(np.float32)
ORIGINS = GENERATOR.choice(["JFK", "LGA"], 600)


def rows(**columns):
    columns = {"score": SCORES.tolist(), "late": LABELS.tolist(), "origin": ORIGINS, **columns}
    return [
        {name: str(value) if name == "origin" and value is not None else value
         for name, value in zip(columns, values, strict=True)}
        for values in zip(*columns.values(), strict=True)
    ]  # fmt: skip


def config(threshold=None, *, slicing_specs=({},), **model_spec):
    threshold = {"value_threshold": {"lower_bound": 0.6}} if threshold is None else threshold
    return {
        "model_specs": [{"label_key": "late", **model_spec}],
        "slicing_specs": list(slicing_specs),
        "metrics_specs": [
            {
                "metrics": [
                    {"class_name": "AUC", "threshold": threshold},
                    {"class_name": "ExampleCount"},
                    {"class_name": "MeanPrediction"},
                ]
            }
        ],
    }


NOT_WORSE = {"change_threshold": {"absolute": 0.0, "direction": "HIGHER_IS_BETTER"}}


@pytest.fixture
def judged(score_model, write_examples, tmp_path):
    """Return a function that evaluates the model on some rows."""

    def run(rows_or_examples=None, eval_config=None, *, factor=1.0, **arguments):
        examples = rows_or_examples
        if not isinstance(examples, records.Examples):
            examples = write_examples(rows() if examples is None else examples)
        return evaluate(
            **{
                "model": score_model(factor),
                "examples": examples,
                "eval_config": config() if eval_config is None else eval_config,
                "output_dir": tmp_path / "evaluation",
                **arguments,
            }
        )

    return run


def metrics_of(blessing):
    value = json.loads((Path(blessing.report_uri).parent / "metrics.json").read_text())
    return {tuple(sorted(item["slice"].items())): item for item in value["slices"]}


def test_blesses_exactly_the_bytes_that_it_measured(judged, score_model, tmp_path):
    run = records.Run(dag_id="d", run_id="r", task_id="evaluator")
    blessing = judged(run=run)
    assert blessing.blessed
    assert (blessing.kind, blessing.subject.type) == ("evaluation", "model")
    assert blessing.subject.digest == score_model().digest == artifacts.digest(score_model().uri)
    assert blessing.run == run
    assert blessing.baseline is None
    (finding,) = blessing.findings
    assert finding.observed == pytest.approx(roc_auc_score(LABELS, SCORES), abs=1e-4)
    assert records.load(tmp_path / "evaluation" / "record.json") == blessing
    assert sorted(path.name for path in (tmp_path / "evaluation").iterdir()) == [
        "metrics.json",
        "metrics.parquet",
        "record.json",
        "report.html",
    ]


def test_a_miss_is_a_verdict_not_an_error(judged):
    blessing = judged(eval_config=config({"value_threshold": {"lower_bound": 0.99}}))
    assert not blessing.blessed
    assert "below the bound 0.990" in blessing.failures[0].message


def test_nothing_is_judged_only_on_purpose(judged, write_examples):
    examples = write_examples(rows())
    measured_only = config()
    measured_only["metrics_specs"][0]["metrics"][0].pop("threshold")
    with pytest.raises(ConfigurationError, match="has no thresholds"):
        judged(examples, measured_only)
    blessing = judged(examples, measured_only, without_thresholds=True)
    assert blessing.blessed
    assert [finding.check for finding in blessing.findings] == ["no_thresholds"]


def test_measures_each_slice(judged):
    sliced = config(slicing_specs=[{}, {"feature_keys": ["origin"]}])
    metrics = metrics_of(judged(eval_config=sliced))
    assert set(metrics) == {(), (("origin", "JFK"),), (("origin", "LGA"),)}
    for origin in ("JFK", "LGA"):
        chosen, item = origin == ORIGINS, metrics[(("origin", origin),)]
        assert item["num_examples"] == chosen.sum()
        expected = roc_auc_score(LABELS[chosen], SCORES[chosen])
        assert item["metrics"]["auc"]["candidate"] == pytest.approx(expected, abs=1e-3)


def test_batches_do_not_matter(judged, write_examples, monkeypatch):
    sliced = config(slicing_specs=[{}, {"feature_keys": ["origin"]}])
    examples = write_examples(rows())
    from components.evaluator.example_reader import ExampleReader

    whole = metrics_of(judged(examples, sliced))
    reader = functools.partial(ExampleReader, batch_size=7)
    monkeypatch.setattr("components.evaluator.measurement.ExampleReader", reader)
    assert metrics_of(judged(examples, sliced)) == whole


def test_weighs_examples(judged):
    weights = GENERATOR.integers(0, 5, 600).astype(float)
    weights_or_none = [None if weight == 1.0 else weight for weight in weights.tolist()]
    blessing = judged(rows(w=weights_or_none), config(example_weight_key="w"))
    overall = metrics_of(blessing)[()]["metrics"]
    assert overall["example_count"]["candidate"] == weights.sum()
    mean = np.average(SCORES.astype(float), weights=weights)
    assert overall["mean_prediction"]["candidate"] == pytest.approx(mean, rel=1e-12)


@pytest.mark.parametrize("signature_name", ["serving_default", "column"])
def test_takes_probabilities_with_and_without_a_second_dimension(judged, signature_name):
    assert judged(eval_config=config(signature_name=signature_name)).blessed


def test_chooses_an_output_by_name(judged, write_examples):
    examples = write_examples(rows())
    assert judged(examples, config(signature_name="two_outputs", prediction_key="good")).blessed
    bad = judged(examples, config(signature_name="two_outputs", prediction_key="bad"))
    assert not bad.blessed
    assert bad.findings[0].observed == pytest.approx(1 - roc_auc_score(LABELS, SCORES), abs=1e-4)


def test_reads_files_without_compression(judged, write_examples):
    assert judged(write_examples(rows(), compression="")).blessed


def test_measures_on_the_splits_asked_for(judged, write_examples):
    splits = {"train": rows()[:100], "eval": rows()[100:250], "test": rows()[250:]}
    examples = write_examples(splits=splits)
    assert metrics_of(judged(examples))[()]["num_examples"] == 150
    both = judged(examples, example_splits=["train", "test"])
    assert metrics_of(both)[()]["num_examples"] == 450


def test_is_compared_with_what_is_live(judged, score_model, tmp_path):
    live = tmp_path / "serving" / "20130201000000"
    shutil.copytree(score_model(0.5).uri, live)
    blessing = judged(eval_config=config(NOT_WORSE), baseline=tmp_path / "serving")
    assert blessing.blessed
    assert blessing.baseline.version == "20130201000000"
    assert blessing.baseline.digest == score_model(0.5).digest
    assert blessing.findings[0].baseline == pytest.approx(roc_auc_score(LABELS, SCORES), abs=1e-3)
    both = metrics_of(blessing)[()]["metrics"]["mean_prediction"]
    assert both["baseline"] == pytest.approx(both["candidate"] / 2, rel=1e-6)


def test_falls_behind_the_live_version(judged, score_model, tmp_path):
    shutil.copytree(score_model(1.0).uri, tmp_path / "serving" / "7")
    blessing = judged(eval_config=config(NOT_WORSE), baseline=tmp_path / "serving", factor=0.0)
    assert not blessing.blessed
    assert "AUC overall fell from 0.8" in blessing.findings[0].message
    assert "(live version 7) to 0.500, but it may not fall" in blessing.findings[0].message


def test_a_given_model_is_a_baseline_that_never_goes_stale(judged, score_model):
    blessing = judged(eval_config=config(NOT_WORSE), baseline=score_model(0.5))
    assert blessing.blessed
    assert blessing.baseline == records.Baseline(digest=score_model(0.5).digest)


@pytest.mark.parametrize(("first_run", "blessed"), [("bless", True), ("refuse", False)])
def test_a_first_model(judged, tmp_path, first_run, blessed):
    both = {"value_threshold": {"lower_bound": 0.6}, **NOT_WORSE}
    blessing = judged(eval_config=config(both), baseline=tmp_path / "serving", first_run=first_run)
    assert blessing.blessed is blessed
    assert (blessing.baseline.version, blessing.baseline.digest) == (None, None)
    assert not (tmp_path / "serving").exists()


def test_a_deadlock_is_refused_only_while_it_is_one(judged, score_model, tmp_path):
    arguments = {"eval_config": config(NOT_WORSE), "baseline": tmp_path / "serving"}
    with pytest.raises(ConfigurationError, match="no model could ever become live"):
        judged(**arguments, first_run="refuse")
    shutil.copytree(score_model(0.5).uri, tmp_path / "serving" / "1")
    shutil.rmtree(tmp_path / "examples")
    assert judged(**arguments, first_run="refuse").blessed


def test_without_a_baseline_every_run_is_a_first_run(judged):
    with pytest.raises(ConfigurationError, match="no baseline is given, so no model could ever"):
        judged(first_run="refuse")


def test_nan_predictions_are_never_blessed(judged):
    scores = [None, *SCORES.tolist()[1:]]
    blessing = judged(rows(score=scores), config({"value_threshold": {"upper_bound": 1.0}}))
    assert not blessing.blessed
    assert "1 prediction is NaN or infinite" in blessing.findings[0].message
    assert blessing.findings[0].observed is None
    assert metrics_of(blessing)[()]["metrics"]["auc"] == {"candidate": None}


def test_a_slice_key_that_does_not_exist_fails_its_threshold(judged, write_examples, caplog):
    examples = write_examples(rows())
    per_slice = config(slicing_specs=[{"feature_keys": ["nope"]}])
    metric = per_slice["metrics_specs"][0]["metrics"][0]
    metric["per_slice_thresholds"] = [
        {"slicing_specs": [{"feature_keys": ["nope"]}], "threshold": metric.pop("threshold")}
    ]
    blessing = judged(examples, per_slice)
    assert not blessing.blessed
    assert blessing.findings[0].check == "slice_missing"
    assert judged(examples, per_slice, missing_slice="pass").blessed
    assert "no example has the feature 'nope' to slice by" in caplog.text


def without_signature(model):
    from tensorflow.core.protobuf import saved_model_pb2

    path = Path(model) / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    saved.meta_graphs[0].signature_def.pop("serving_default")
    path.write_bytes(saved.SerializeToString())


@pytest.mark.parametrize(
    ("model_spec", "message"),
    [
        ({"signature_name": "nope"}, r"no signature 'nope'; it has 'column', 'serving_default'"),
        ({"signature_name": "two_outputs"}, r"has several outputs; it has \['bad', 'good'\]"),
        ({"prediction_key": "p"}, r"has no output 'p'; it has \['probability'\]"),
        ({"signature_name": "two_columns"}, r"has shape \(600, 2\) for 600 .* AUC takes .* give"),
    ],
)
def test_refuses_a_model_that_can_not_be_asked(judged, tmp_path, model_spec, message):
    with pytest.raises(InvalidModelError, match=message):
        judged(eval_config=config(**model_spec))
    assert not (tmp_path / "evaluation").exists()
    assert not list(tmp_path.glob(".*partial"))


def test_refuses_a_model_without_the_serving_signature(judged, score_model, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(score_model().uri, model)
    without_signature(model)
    with pytest.raises(InvalidModelError, match="no signature 'serving_default'"):
        judged(model=model)


def test_names_the_baseline_that_can_not_be_asked(judged, score_model, tmp_path):
    live = tmp_path / "serving" / "3"
    shutil.copytree(score_model().uri, live)
    both = config(signature_name="column")
    both["model_specs"].append({"is_baseline": True, "signature_name": "two_outputs"})
    with pytest.raises(InvalidModelError, match="'two_outputs' of the live version 3 has several"):
        judged(eval_config=both, baseline=tmp_path / "serving")


def test_refuses_logits(judged):
    with pytest.raises(InvalidModelError, match=r"AUC takes a probability from 0 to 1\. If these"):
        judged(factor=3.0)


def test_refuses_other_bytes_than_the_record_names(judged, score_model):
    other = dataclasses.replace(score_model(), digest="sha256:" + "0" * 64)
    with pytest.raises(InvalidModelError, match=r"the model in .* but its record says sha256:000"):
        judged(model=other)


def test_refuses_a_model_that_changes_while_it_is_measured(
    judged, score_model, tmp_path, monkeypatch
):
    from components.evaluator import measurement

    model = tmp_path / "model"
    shutil.copytree(score_model().uri, model)
    measure = measurement.tally_examples

    def tamper(*arguments):
        (model / "assets.extra").mkdir()
        (model / "assets.extra" / "new").write_bytes(b"x")
        return measure(*arguments)

    monkeypatch.setattr(measurement, "tally_examples", tamper)
    with pytest.raises(InvalidModelError, match="which changed while it was evaluated"):
        judged(model=model)


def test_refuses_a_tflite_model(judged, score_model):
    with pytest.raises(ConfigurationError, match="format 'tflite'; only a saved_model"):
        judged(model=dataclasses.replace(score_model(), format="tflite"))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"late": [None] + [0] * 599}, r"1 of the examples 1 to 600 don't have exactly one label"),
        ({"late": [0, [0, 1]] + [0] * 598}, r"the first is example 2, which has 2"),
        ({"late": [0, 0, 2] + [0] * 597}, r"'late' of example 3 is 2\.0; AUC takes 0, 1 or what"),
        ({"late": [0.0, -0.5] + [0.0] * 598}, r"label 'late' of example 2 is -0\.5"),
        ({"late": [0.0, float("nan")] + [0.0] * 598}, r"example 2 is nan; every label must be a"),
        ({"late": ["yes"] * 600}, r"'late' holds text, for instance b'yes'; expected numbers"),
        ({"late": [None] * 600}, r"label 'late' isn't in the examples .*features are: origin, sco"),
        ({"late": [0] * 300 + [1.0] * 300}, r"can't be read: .*Data type"),
    ],
)
def test_refuses_labels_that_do_not_fit(judged, columns, message):
    with pytest.raises(DataError, match=message):
        judged(rows(**columns))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([None] * 600, r"example weight 'w' isn't in the examples"),
        ([1.0, float("nan")] + [1.0] * 598, r"several weights 'w', or one that isn't finite"),
        ([[1.0, 2.0]] + [1.0] * 599, r"several weights 'w'"),
    ],
)
def test_refuses_weights_that_do_not_fit(judged, weights, message):
    with pytest.raises(DataError, match=message):
        judged(rows(w=weights), config(example_weight_key="w"))


def test_refuses_no_examples(judged):
    with pytest.raises(DataError, match="a model can't be judged on nothing"):
        judged([])


def test_refuses_a_split_that_is_not_there(judged):
    with pytest.raises(ConfigurationError, match=r"\['test'\], but the examples have .*\['eval'\]"):
        judged(example_splits=["test"])


def test_refuses_examples_that_changed(judged, write_examples):
    examples = write_examples(rows())
    next(Path(examples.uri).glob("*/*")).write_bytes(b"")
    with pytest.raises(DataError, match="they were changed"):
        judged(examples)


def test_refuses_a_truncated_file(judged, write_examples):
    examples = write_examples(rows())
    file = next(Path(examples.uri).glob("*/*"))
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes())[:-5]))
    truncated = dataclasses.replace(examples, digest=artifacts.digest(examples.uri))
    with pytest.raises(DataError, match=r"can't be read: .*truncated"):
        judged(truncated)


def test_refuses_fewer_examples_than_were_recorded(judged, write_examples):
    examples = write_examples(rows())
    more = dataclasses.replace(examples, splits={"eval": Split("Split-eval/*", 601)})
    with pytest.raises(DataError, match="hold 600 examples, but their record says 601"):
        judged(more)


class _Links(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in ("src", "href")]


def test_the_report_needs_no_other_file_and_shows_text_as_text(judged):
    names = ["<script>alert(1)</script>" if origin == "JFK" else "LGA" for origin in ORIGINS]
    sliced = config(slicing_specs=[{}, {"feature_keys": ["origin"]}])
    blessing = judged(rows(origin=names), sliced)
    report = Path(blessing.report_uri).read_text()
    links = _Links()
    links.feed(report)
    assert links.found == []
    assert "<script" not in report
    assert "&lt;script&gt;alert(1)" in report
    assert all(finding.message.replace("<", "&lt;").replace(">", "&gt;") in report
               for finding in blessing.findings)  # fmt: skip
