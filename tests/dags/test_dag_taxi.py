"""A module written for TFX goes through the pipeline, from the data to the serving folder.

`taxi_module.py` has the shape of TFX's taxi example, whose own file goes the same way.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from components.serving_folder import ServingFolder
from tests.airflow_home import REPOSITORY

# isort: split
from airflow.dag_processing.dagbag import DagBag

MODULE = REPOSITORY / "tests" / "dags" / "taxi_module.py"
NUM_TRIPS = 4_000
FLOATS = ("fare", "trip_miles", "tips")
PLACES = ("pickup_latitude", "pickup_longitude", "dropoff_latitude", "dropoff_longitude")
INTEGERS = {"trip_seconds": 5_000, "trip_start_hour": 23, "trip_start_day": 7,
            "trip_start_month": 12, "trip_start_timestamp": 1_400_000_000,
            "pickup_census_tract": 10**10, "pickup_community_area": 77,
            "dropoff_census_tract": 10**10, "dropoff_community_area": 77}  # fmt: skip
WORDS = {"payment_type": ("Cash", "Credit Card", "No Charge"), "company": ("Blue", "Checker", "")}
SOMETIMES_MISSING = {*PLACES, "company", "pickup_census_tract", "dropoff_census_tract",
                     "pickup_community_area", "dropoff_community_area"}  # fmt: skip
EVAL_CONFIG = {  # as the pipeline of TFX's example has it
    "model_specs": [
        {
            "signature_name": "serving_default",
            "label_key": "tips_xf",
            "preprocessing_function_names": ["transform_features"],
        }
    ],
    "slicing_specs": [{}, {"feature_keys": ["payment_type"]}],
    "metrics_specs": [
        {
            "metrics": [
                {
                    "class_name": "BinaryAccuracy",
                    "threshold": {"value_threshold": {"lower_bound": {"value": 0.6}}},
                }
            ]
        }
    ],
}
WINDOW = {"window_start": "2014-01-01T00:00:00Z", "window_end": "2014-02-01T00:00:00Z"}
DAG_FILE = """
from datetime import UTC, datetime
from pathlib import Path
from airflow.sdk import DAG
from operators.pipeline import ModelSettings, training_pipeline

FOLDER = Path(__file__).with_name("taxi")
MODEL = ModelSettings(
    name="taxi",
    source=str(FOLDER / "trips.csv"),
    time_column=None,
    interval="@monthly",
    schema_file=str(FOLDER / "schema.pbtxt"),
    preprocessing_file=str(FOLDER / "taxi_utils.py"),
    transformed_splits=("train", "eval"),
    module_file=str(FOLDER / "taxi_utils.py"),
    train_args={"num_steps": 150},
    eval_args={"num_steps": 20},
    eval_config=str(FOLDER / "eval_config.json"),
)
PARAMS = {"window_start": None, "window_end": None, "push_policy": "auto", "backfill_push": "never"}
with DAG(
    "taxi",
    schedule=None,
    start_date=datetime(2014, 1, 1, tzinfo=UTC),
    params=PARAMS,
    render_template_as_native_obj=True,
):
    training_pipeline(MODEL)
"""


def write_trips(path: Path) -> None:
    """Write trips as a CSV file: whoever pays by card gives a tip, mostly a big one."""
    random = np.random.default_rng(7)
    columns = {name: random.integers(1, most + 1, NUM_TRIPS) for name, most in INTEGERS.items()}
    columns |= {name: random.choice(words, NUM_TRIPS) for name, words in WORDS.items()}
    columns |= {name: 41.5 + random.random(NUM_TRIPS).round(6) for name in PLACES}
    columns["fare"] = random.gamma(2.0, 6.0, NUM_TRIPS).round(2) + 3.25
    columns["trip_miles"] = (columns["fare"] / 3 + random.random(NUM_TRIPS)).round(1)
    share = np.where(columns["payment_type"] == "Credit Card", random.random(NUM_TRIPS), 0.0)
    columns["tips"] = (columns["fare"] * share).round(2)
    texts = {name: values.astype(str) for name, values in columns.items()}
    for name in sorted(SOMETIMES_MISSING):
        texts[name] = np.where(random.random(NUM_TRIPS) < 0.1, "", texts[name])
    rows = zip(*texts.values(), strict=True)
    path.write_text("\n".join([",".join(texts), *(",".join(row) for row in rows)]) + "\n")


def write_schema(path: Path) -> None:
    """Write a schema as TFX's example has it: one value at most, some are always there."""
    kinds = {**dict.fromkeys((*FLOATS, *PLACES), "FLOAT"), **dict.fromkeys(INTEGERS, "INT"),
             **dict.fromkeys(WORDS, "BYTES")}  # fmt: skip
    path.write_text(
        "".join(
            f'feature {{ name: "{name}" type: {kind} value_count {{ min: 1 max: 1 }} '
            f"presence {{ min_count: 1 "
            f"{'' if name in SOMETIMES_MISSING else 'min_fraction: 1.0'} }} }}\n"
            for name, kind in kinds.items()
        )
    )


@pytest.fixture
def dag(tmp_path, monkeypatch):
    """The DAG, loaded from a folder of its own that Airflow takes for its own."""
    from airflow.utils.db import initdb

    folder = tmp_path / "dags"
    (folder / "taxi").mkdir(parents=True)
    write_trips(folder / "taxi" / "trips.csv")
    write_schema(folder / "taxi" / "schema.pbtxt")
    (folder / "taxi" / "eval_config.json").write_text(json.dumps(EVAL_CONFIG))
    shutil.copy(MODULE, folder / "taxi" / "taxi_utils.py")
    (folder / "taxi_dag.py").write_text(DAG_FILE)
    monkeypatch.setattr("airflow.settings.DAGS_FOLDER", str(folder))
    initdb()
    return DagBag(str(folder)).dags["taxi"]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_module_for_tfx_is_trained_judged_and_published(dag, installation):
    run = dag.test(run_conf=WINDOW)
    states = {ti.task_id: str(ti.state) for ti in run.get_task_instances()}
    assert set(states.values()) == {"success"}, states
    live = ServingFolder(str(installation / "serving" / "taxi")).live()
    assert live is not None
    assert {blessing.kind for blessing in live.record.blessings} == {"data", "evaluation", "infra"}
    evaluation = next(one for one in live.record.blessings if one.kind == "evaluation")
    (accuracy,) = (one for one in evaluation.findings if not one.slice and one.metric)
    assert 0.6 < accuracy.observed <= 1.0
    by_card, by_cash = probabilities(live.path, ["Credit Card", "Cash"])
    assert by_card > 0.5 > by_cash


def probabilities(directory: Path, payments: list[str]) -> list[float]:
    """Return what the model says of trips that differ in how they were paid."""
    import tensorflow as tf

    from components.saved_model.session import ServingSession
    from tests.conftest import _example

    trip = {"fare": 10.0, "trip_miles": 3.0, "trip_seconds": 600, "trip_start_hour": 9,
            "trip_start_day": 2, "trip_start_month": 4, "trip_start_timestamp": 1,
            **dict.fromkeys(PLACES, 41.9)}  # fmt: skip
    rows = [_example(tf, {**trip, "payment_type": text}).SerializeToString() for text in payments]
    with ServingSession(directory) as session:
        answers = session.run("serving_default", {"examples": np.array(rows, object)})
    return [float(value) for value in answers["outputs"].ravel()]
