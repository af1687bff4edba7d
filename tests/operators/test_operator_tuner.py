"""`TunerOperator` searches when it is asked to, and else takes what the last search found."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from airflow.sdk import AssetAlias
from airflow.sdk.api.datamodels._generated import AssetEventResponse, AssetResponse
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import AssetEventsResult
from airflow.sdk.execution_time.context import InletEventsAccessors

from components.records import HyperParameters
from components.tuner.__main__ import _parser
from operators import TunerOperator
from operators.model_asset import hyperparameters_asset
from operators.report_row import row_of
from tests.operators.contexts import make_context
from tests.operators.test_operator_trainer import GRAPH, SCHEMA, make_record

ASSET = hyperparameters_asset("flights")
ALIAS = AssetAlias(ASSET.name)
FOUND = HyperParameters("/t", "sha256:1", "sha256:0", {"rate": 0.5}, 0.75, "/t/trials.json")
GIVEN = {"rate": 0.1, "epochs": 3}


def event(extra):
    asset = AssetResponse(name=ASSET.name, uri=ASSET.uri, group="asset")
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    return AssetEventResponse(id=1, timestamp=moment, extra=extra, asset=asset, created_dagruns=[])


class Supervisor:
    """Answers what Airflow's own accessor asks; the events are the oldest first."""

    def __init__(self, events):
        self._events = list(events)

    def send(self, question):
        assert (question.name, question.uri) == (ASSET.name, ASSET.uri)
        events = self._events if question.ascending else self._events[::-1]
        return AssetEventsResult(asset_events=events[: question.limit])


@pytest.fixture
def tune(monkeypatch, installation):
    """Run the operator; return its result, its context, and what the component was given."""
    seen = {}

    def run_component(child, name, flags, context):
        seen.update(flags, component=name)
        return FOUND

    monkeypatch.setattr("operators.tuner.run_component", run_component)

    def tune(events=(), **arguments):
        operator = TunerOperator(
            task_id="tuner",
            module_file="pyproject.toml",
            examples=make_record(),
            asset=ASSET,
            **{"hyperparameters": GIVEN, **arguments},
        )
        monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Supervisor(events), raising=False)
        context = make_context("tuner", inlet_events=InletEventsAccessors(operator.inlets))
        result = json.loads(json.dumps(operator.execute(context)))
        return SimpleNamespace(result=result, context=context, seen=seen, operator=operator)

    return tune


def test_a_search_tells_the_trainer_and_the_asset(tune):
    run = tune(tune_args={"max_trials": 3}, schema=SCHEMA, transform_graph=GRAPH)
    assert run.seen["component"] == "tuner"
    assert run.seen["tune_args"] == {"max_trials": 3}
    assert HyperParameters.from_json(run.result).values == {"rate": 0.5, "epochs": 3}
    (told,) = run.context["outlet_events"][ALIAS].asset_alias_events
    assert told.dest_asset_key.uri == ASSET.uri
    assert HyperParameters.from_json(told.extra) == FOUND


def test_without_a_search_the_newest_one_counts(tune):
    older = {**FOUND.to_json(), "values": {"rate": 0.9}}
    by_hand = {"from_rest_api": True}
    run = tune([event(older), event(FOUND.to_json()), event(by_hand)], enabled=False)
    assert run.seen == {}
    assert run.result["values"] == {"rate": 0.5, "epochs": 3}
    assert not run.context["outlet_events"][ALIAS].asset_alias_events


@pytest.mark.parametrize(
    ("events", "arguments"),
    [((), {}), ([event(None)], {}), ([event(FOUND.to_json())], {"reuse": False})],
)
def test_where_nothing_was_searched_the_given_ones_count(tune, events, arguments):
    assert tune(events, enabled=False, **arguments).result == GIVEN


def test_a_broken_event_is_no_reason_to_retry(tune):
    broken = {**FOUND.to_json(), "values": 3}
    with pytest.raises(AirflowFailException, match="values"):
        tune([event(broken)], enabled=False)


def test_bad_data_are_not_searched(tune):
    with pytest.raises(AirflowSkipException, match="data_not_blessed"):
        tune(data_blessing={"type": "Blessing"})


def test_a_template_that_gave_text_is_no_answer(tune):
    with pytest.raises(AirflowFailException, match="enabled is 'False'; expected true or false"):
        tune(enabled="False")


def test_the_report_says_what_was_chosen():
    assert row_of("tuner", FOUND).why == "rate 0.5; its score was 0.75"


def test_the_command_line_takes_what_the_operator_gives(tmp_path):
    parsed = _parser().parse_args(
        [
            *("--module-file", "m.py", "--examples", json.dumps(make_record())),
            *("--output-dir", str(tmp_path / "out"), "--tune-args", '{"max_trials": 3}'),
            *("--schema", json.dumps(SCHEMA), "--transform-graph", json.dumps(GRAPH)),
            *("--train-args", '{"num_steps": 2}', "--keras", "3", "--seed", "7"),
            *(
                "--process",
                '{"cpus": 1}',
                "--run",
                '{"dag_id": "d", "run_id": "r", "task_id": "t"}',
            ),
        ]
    )
    assert (parsed.tune_args, parsed.keras, parsed.seed) == ({"max_trials": 3}, 3, 7)


@pytest.mark.parametrize("field", ["enabled", "reuse", "tune_args", "hyperparameters", "examples"])
def test_every_argument_is_a_template(field):
    assert field in TunerOperator.template_fields
