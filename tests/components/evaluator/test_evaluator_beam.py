"""Apache Beam measures the same numbers, to the last bit, however the work is spread."""

import dataclasses
import itertools
import json
import os
from pathlib import Path

import numpy as np
import pytest

from components import artifacts, tfrecord
from components.errors import ConfigurationError
from components.evaluator import read_eval_config
from components.evaluator.baseline import Comparison
from components.evaluator.engine_choice import EngineChoice
from components.records import Split

METRICS = (
    "ExampleCount",
    "AUC",
    "AUCPrecisionRecall",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "Calibration",
    "MeanPrediction",
    "FairnessIndicators",
    "CalibrationPlot",
)
OWN_METRICS = (
    {"class_name": "MeanAbsoluteError", "module": "keras.metrics"},
    {"class_name": "squared", "module": __name__},
)
CONFIG = {
    "model_specs": [{"label_key": "late", "example_weight_key": "w"}],
    "slicing_specs": [
        {},
        {"feature_keys": ["origin"]},
        {"feature_keys": ["tags", "half"]},
    ],
    "metrics_specs": [
        {
            "metrics": [*({"class_name": name} for name in METRICS), *OWN_METRICS],
            "example_weights": {"weighted": True, "unweighted": True},
        }
    ],
    "options": {"compute_confidence_intervals": True},
}


def squared(labels, predictions):
    """Return a number that no float64 sum in another order would give again."""
    return np.square(labels - predictions) / 3


@pytest.fixture(scope="module")
def sharded(examples, tmp_path_factory):
    """Return the examples three times over, in files whose borders are no batch's."""
    root = tmp_path_factory.mktemp("sharded")
    (root / "Split-eval").mkdir()
    (file,) = artifacts.list_files(Path(examples.uri))
    records = tfrecord.read_all_records(Path(examples.uri) / file) * 3
    borders = [0, 1, 700, 700, 3_000, 4_500, len(records)]
    for number, (start, end) in enumerate(itertools.pairwise(borders)):
        path = root / "Split-eval" / f"data-{number}"
        tfrecord.write_records(path, records[start:end])
    splits = {"eval": Split("Split-eval/*", len(records))}
    return dataclasses.replace(
        examples, uri=str(root), splits=splits, digest=artifacts.digest(root)
    )


def measured(examples, models, engine, scratch, config=CONFIG):
    from components.evaluator.measurement import measure

    candidate, baseline = models
    comparison = Comparison(None, baseline and Path(baseline.uri), "baseline model")
    return measure(
        read_eval_config(config), candidate, comparison, examples, ["eval"],
        engine=engine, scratch=scratch,
    )  # fmt: skip


def assert_same(one, other):
    assert one.slices == other.slices
    np.testing.assert_array_equal(one.num_examples, other.num_examples)
    assert one.models.keys() == other.models.keys()
    for name, model in one.models.items():
        for metric, values in model.values.items():
            np.testing.assert_array_equal(values, other.models[name].values[metric], metric)
        assert json.dumps(model.plots) == json.dumps(other.models[name].plots)
        assert model.samples.keys() == other.models[name].samples.keys()
        for metric, samples in model.samples.items():
            np.testing.assert_array_equal(samples, other.models[name].samples[metric], metric)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param((), id="in this process"),
        pytest.param(
            ("--direct_num_workers=3", "--direct_running_mode=multi_threading"), id="in threads"
        ),
        pytest.param(
            ("--direct_num_workers=2", "--direct_running_mode=multi_processing"),
            id="in processes",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_measures_what_the_local_engine_measures(
    arguments, sharded, many_headed_model, other_model, tmp_path, monkeypatch
):
    # Where processes find the function above.
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
    models = (many_headed_model, other_model)
    expected = measured(sharded, models, EngineChoice(), tmp_path)

    found = measured(sharded, models, EngineChoice("beam", arguments), tmp_path)

    assert len(expected.slices) > 10
    assert_same(found, expected)
    assert not list(tmp_path.iterdir())


def test_an_option_that_beam_does_not_know_is_refused(sharded, many_headed_model, tmp_path):
    engine = EngineChoice("beam", ("--direct_num_workers=1", "--runer=FlinkRunner"))
    with pytest.raises(ConfigurationError, match="of which Beam doesn't know --runer; correct it"):
        measured(sharded, (many_headed_model, None), engine, tmp_path)
