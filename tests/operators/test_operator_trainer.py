"""What `TrainerOperator` hands over to the trainer's command line."""

import json
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from components.records import (
    Blessing,
    HyperParameters,
    Model,
    Schema,
    Subject,
    TransformGraph,
    Validator,
    dump,
)
from components.trainer.__main__ import _parser
from operators import TrainerOperator
from tests.operators.contexts import make_context
from tests.operators.test_operator_execute import as_xcom, asked, make_examples

SCHEMA = Schema("/schema", "sha256:1", "sha256:0").to_json()
GRAPH = TransformGraph("/graph", "sha256:2", "sha256:0").to_json()


@pytest.fixture
def train(fake_components):
    examples = make_examples()

    def train(**arguments):
        operator = TrainerOperator(
            task_id="trainer", module_file="pyproject.toml", examples=examples, **arguments
        )
        return asked(as_xcom(operator.execute(make_context("trainer"))))

    return train


def test_hands_over_schema_graph_and_how_to_run(train):
    process = {"memory_limit_bytes": 10**9, "gpus": [0]}
    flags = train(schema=SCHEMA, transform_graph=GRAPH, keras=2, seed="7", process=process)
    assert {"schema", "transform_graph"} <= flags.keys()
    assert (flags["keras"], flags["seed"]) == ("2", "7")
    assert json.loads(flags["process"]) == process


def test_starts_from_what_is_live_in_a_folder(train):
    assert train(base_model="/serving/flight_delays")["base_model"] == "/serving/flight_delays"


def test_hands_over_that_weights_shall_be_equal(train, monkeypatch):
    seen = {}

    def run_component(child, name, flags, context):
        seen.update(flags)
        return Model("/m", "sha256:1", 1)

    monkeypatch.setattr("operators.trainer.run_component", run_component)
    operator = TrainerOperator(
        task_id="trainer", module_file="pyproject.toml", examples=make_record(), deterministic=True
    )
    operator.execute(make_context("trainer"))
    assert seen["deterministic"] is True


def test_transformed_examples_need_a_blessing_of_the_raw_ones(train):
    raw = {**make_record(), "digest": "sha256:" + "e" * 64}
    subject = Subject("examples", raw["digest"])
    blessing = Blessing("data", True, subject, (), Validator("test", "1"), "2026-01-01T00:00:00Z")
    flags = train(serving_examples=raw, data_blessing=blessing.to_json())
    assert flags["serving_examples"] != flags["examples"]
    with pytest.raises(AirflowSkipException, match="expected a data blessing for these examples"):
        train(data_blessing=blessing.to_json())


def test_leaves_what_is_not_given_to_the_command_line(train):
    assert train().keys() == {"module_file", "examples", "output_dir", "run"}


def test_refuses_a_schema_that_is_another_record(train):
    with pytest.raises(AirflowFailException, match="schema is a TransformGraph; expected a Schema"):
        train(schema=GRAPH)


@pytest.mark.parametrize("field", ["keras", "seed", "process", "deterministic", "schema"])
def test_every_argument_is_a_template(field):
    assert field in TrainerOperator.template_fields


def test_the_command_line_takes_what_the_operator_gives(tmp_path):
    tuned = HyperParameters("/h", "sha256:1", "sha256:0", values={"units": 3})
    record = tmp_path / "hyperparameters.json"
    record.write_text(dump(tuned))
    parsed = _parser().parse_args(
        [
            *("--module-file", "m.py", "--examples", json.dumps(make_record())),
            *("--output-dir", str(tmp_path / "out"), "--hyperparameters", str(record)),
            *("--schema", json.dumps(SCHEMA), "--transform-graph", json.dumps(GRAPH)),
            *("--keras", "2", "--seed", "7", "--deterministic", "--base-model", "/serving/x"),
            *("--process", '{"cpus": 1}'),
        ]
    )
    assert parsed.hyperparameters == tuned
    assert (parsed.keras, parsed.seed, parsed.deterministic) == ("2", 7, True)
    assert (parsed.base_model, parsed.process) == ("/serving/x", {"cpus": 1})
    assert parsed.output_dir == Path(tmp_path / "out")


def make_record():
    return {
        "type": "Examples",
        "schema_version": 1,
        "uri": "/e",
        "splits": {"train": {"file_pattern": "Split-train/*", "num_examples": 1}},
        "digest": "sha256:0",
        "window": None,
        "schema_uri": None,
    }
