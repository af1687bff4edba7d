"""What the transform task gives its component, and when it doesn't start it."""

import json
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from components.records import (
    Blessing,
    Examples,
    Finding,
    Split,
    Subject,
    TransformGraph,
    Validator,
)
from operators import TransformOperator
from tests.airflow_home import REPOSITORY
from tests.operators.contexts import make_context

EXAMPLES = Examples("/february", {"train": Split("Split-train/*", 7)}, "sha256:" + "f" * 64)
EARLIER = Examples("/january", {"train": Split("Split-train/*", 7)}, "sha256:" + "e" * 64)


def operator(**changes):
    return TransformOperator(
        **{
            "task_id": "transform",
            "examples": EXAMPLES.to_json(),
            "schema": "models/flight_delays/schema.pbtxt",
            "module_file": "models/flight_delays/preprocessing.py",
            **changes,
        }
    )


def test_everything_reaches_the_component(fake_components):
    fake_components()
    given = operator(
        analyzer_cache="/cache",
        earlier_examples=[EARLIER.to_json(), None],  # None: an earlier run that left nothing
        custom_config={"size": 3},
    )
    result = given.execute(make_context("transform"))

    record = TransformGraph.from_json(result)
    assert record.examples_digest == EXAMPLES.digest
    arguments = json.loads((Path(record.uri).parent / "arguments.json").read_text())
    assert arguments["module_file"] == str(REPOSITORY / "models/flight_delays/preprocessing.py")
    assert arguments["schema"] == str(REPOSITORY / "models/flight_delays/schema.pbtxt")
    assert arguments["analyzer_cache"] == "/cache"
    assert arguments["earlier_examples"].endswith("earlier_examples-0.json")
    assert json.loads(arguments["custom_config"]) == {"size": 3}


def test_data_that_are_not_blessed_are_not_transformed(fake_components, installation):
    fake_components()
    blessing = Blessing(
        "data",
        False,
        Subject("examples", EXAMPLES.digest),
        (Finding("schema_missing_column", False, "no 'distance'"),),
        Validator("test", "1"),
        "2026-01-01T00:00:00Z",
    )
    context = make_context("transform")
    with pytest.raises(AirflowSkipException, match="no 'distance'"):
        operator(data_blessing=blessing.to_json()).execute(context)
    assert context["ti"].xcoms["transform"]["refusal"]["findings"][0]["check"] == "data_not_blessed"
    assert not (installation / "artifacts").exists()
