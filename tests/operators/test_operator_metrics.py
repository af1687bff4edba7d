"""Metrics: what operators send to a real socket, once each, and that no backend ends a task."""

import re
from datetime import UTC, datetime

import pytest
import statsd as statsd_client
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from components import pusher
from components.serving_folder import ServingFolder
from operators import (
    EvaluatorOperator,
    ExampleGenOperator,
    HoldOperator,
    InfraValidatorOperator,
    ResumeOperator,
    RollbackOperator,
)
from operators.freshness import FreshnessOperator
from tests.operators.contexts import make_context
from tests.operators.statsd_server import end_backend, initialize
from tests.operators.test_operator_execute import as_xcom, examples, model
from tests.operators.test_operator_pusher import base, bless, both, push, trained

__all__ = ["base", "examples", "model", "trained"]
JANUARY_END = datetime(2013, 2, 1, tzinfo=UTC)


class Store(dict):
    """What Airflow keeps for a task instance over its retries."""

    def set(self, key, value, *, retention=None):
        self[key] = value


class BrokenClient(statsd_client.StatsClient):
    """A client of StatsD that can't send; Airflow takes it by `statsd_custom_client_path`."""

    def _send(self, data):
        raise RuntimeError(f"broken on purpose: {data!r}")


def test_a_push_is_counted_and_the_live_data_told(trained, base, statsd):
    model = trained()
    push(model, both(model, base))
    assert statsd.received() == [
        "airflow.imprimatur.pushes.flight_delays.pushed:1|c",
        "airflow.imprimatur.on_hold.flight_delays:0.0|g",
        f"airflow.imprimatur.live_data_end_seconds.flight_delays:{JANUARY_END.timestamp()}|g",
    ]
    push(model, both(model, base), make_context("another_task"))
    assert statsd.counted() == ["airflow.imprimatur.pushes.flight_delays.already_live"]


def test_tags_are_tags_where_statsd_knows_them(trained, base, statsd, monkeypatch):
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED", "True")
    end_backend()
    initialize()
    model = trained()
    push(model, both(model, base))
    assert statsd.counted() == ["airflow.imprimatur.pushes,model=flight_delays,outcome=pushed"]


def test_names_that_no_backend_takes_are_made_fit(trained, base, statsd):
    model = trained()
    odd = base.with_name("v1.2%2Fflüge")
    destination = {"filesystem": {"base_directory": str(odd)}}
    push(model, both(model, odd), push_destination=destination)
    assert statsd.counted() == ["airflow.imprimatur.pushes.v1__2_fl_ge.pushed"]


def test_a_refusal_is_counted_by_its_reason(trained, base, statsd):
    model = trained()
    with pytest.raises(AirflowSkipException):
        push(model, [bless(model, "evaluation", blessed=False), bless(model, "infra")])
    with pytest.raises(AirflowSkipException):
        push(model, both(model, base), push_policy="never")
    assert statsd.counted() == [
        "airflow.imprimatur.refusals.flight_delays.not_blessed",
        "airflow.imprimatur.refusals.flight_delays.policy",
    ]


def test_a_retry_that_finds_its_push_done_is_not_counted_again(trained, base, statsd):
    model, store = trained(), Store()
    for try_number in (1, 2):
        context = make_context("pusher", task_state_store=store)
        context["ti"].try_number = try_number
        pushed = push(model, both(model, base), context)
        assert pushed["replayed"] == (try_number == 2)
    assert statsd.counted() == ["airflow.imprimatur.pushes.flight_delays.pushed"]


def test_a_push_whose_try_died_before_it_was_counted_is_counted_by_the_retry(trained, base, statsd):
    model, context = trained(), make_context("pusher", task_state_store=Store())
    from operators._component_task import run_of

    pusher.push(
        model=model,
        blessings=both(model, base),
        push_destination={"filesystem": {"base_directory": str(base)}},
        run=run_of(context),
    )
    assert push(model, both(model, base), context)["replayed"]
    assert statsd.counted() == ["airflow.imprimatur.pushes.flight_delays.pushed"]


def test_a_rollback_is_counted_once_and_holds(trained, base, statsd):
    for month in (1, 2):
        model = trained(month)
        push(model, both(model, base), make_context(f"pusher_{month}"))
    statsd.received()
    context = make_context("rollback", task_state_store=Store())
    for _ in range(2):
        RollbackOperator(task_id="rollback", base_directory=str(base), reason="bad").execute(
            context
        )
    told = [
        "airflow.imprimatur.on_hold.flight_delays:1.0|g",
        f"airflow.imprimatur.live_data_end_seconds.flight_delays:{JANUARY_END.timestamp()}|g",
    ]
    counted = "airflow.imprimatur.rollbacks.flight_delays:1|c"
    assert statsd.received() == [counted, *told, *told]


def test_a_hold_and_its_end_are_told(trained, base, statsd):
    model = trained()
    push(model, both(model, base))
    statsd.received()
    HoldOperator(task_id="hold", reason="look first").execute(make_context("hold", user="ann"))
    assert "airflow.imprimatur.on_hold.flight_delays:1.0|g" in statsd.received()
    ResumeOperator(task_id="resume").execute(make_context("resume", user="ann"))
    assert "airflow.imprimatur.on_hold.flight_delays:0.0|g" in statsd.received()


@pytest.mark.parametrize(("behaviour", "verdict"), [("", "blessed"), ("refuse", "not_blessed")])
def test_a_verdict_is_counted_and_its_time_and_value_told(
    fake_components, model, examples, statsd, behaviour, verdict
):
    fake_components(evaluator=behaviour)
    operator = EvaluatorOperator(
        task_id="evaluator", model=model, examples=examples, eval_config="pyproject.toml"
    )
    as_xcom(operator.execute(make_context("evaluator")))
    duration, counter, value = statsd.received()
    assert counter == f"airflow.imprimatur.verdicts.flight_delays.evaluation.{verdict}:1|c"
    got = {"blessed": 0.7, "not_blessed": 0.5}[verdict]
    assert value == f"airflow.imprimatur.candidate_metric.flight_delays.AUC:{got}|g"
    name, milliseconds = duration.removesuffix("|ms").split(":")
    assert name == "airflow.imprimatur.component_duration.flight_delays.evaluator"
    assert 10 < float(milliseconds) < 60_000  # the child took as long, and not as many seconds


def test_a_try_that_fails_counts_nothing(fake_components, model, examples, statsd):
    fake_components(infra_validator="usage")
    operator = InfraValidatorOperator(
        task_id="infra_validator", model=model, examples=examples, serving_spec={}
    )
    with pytest.raises(AirflowFailException):
        operator.execute(make_context("infra_validator"))
    assert statsd.received() == []


def test_the_size_of_a_window_is_told(fake_components, statsd):
    fake_components()
    window = {"interval_start": datetime(2013, 1, 1, tzinfo=UTC), "interval_end": JANUARY_END}
    context = make_context("example_gen", run_type="scheduled", **window)
    ExampleGenOperator(task_id="example_gen", source="x", time_column="t").execute(context)
    assert "airflow.imprimatur.examples.flight_delays.train:1000|g" in statsd.received()


def test_the_age_of_the_live_data_is_told_also_where_they_are_too_old(trained, base, statsd):
    model = trained()
    push(model, both(model, base))
    statsd.received()
    check = FreshnessOperator(task_id="freshness", model="flight_delays", max_age_hours=1)
    with pytest.raises(AirflowFailException):
        check.execute(make_context("freshness"))
    told = dict(line.removesuffix("|g").split(":") for line in statsd.received())
    prefix, suffix = "airflow.imprimatur.", ".flight_delays"
    assert told[f"{prefix}on_hold{suffix}"] == "0.0"
    assert float(told[f"{prefix}live_data_end_seconds{suffix}"]) == JANUARY_END.timestamp()
    expected = (datetime.now(UTC) - JANUARY_END).total_seconds()
    assert float(told[f"{prefix}live_data_age_seconds{suffix}"]) == pytest.approx(expected, abs=60)


@pytest.mark.parametrize(
    "settings",
    [
        {"STATSD_CUSTOM_CLIENT_PATH": f"{__name__}.BrokenClient"},
        {"STATSD_CUSTOM_CLIENT_PATH": "no.such.Client"},
        {"STATSD_HOST": "no-such-host.invalid"},
        {"STATSD_PORT": "9"},
        {"STATSD_PORT": "not a number"},
        {"STATSD_ON": "perhaps"},
    ],
    ids=lambda settings: "=".join(*settings.items()),
)
def test_a_backend_that_fails_never_fails_a_task(trained, base, statsd, monkeypatch, settings):
    end_backend()
    for name, value in settings.items():
        monkeypatch.setenv(f"AIRFLOW__METRICS__{name}", value)
    if "STATSD_ON" not in settings:
        initialize()
    model = trained()
    assert push(model, both(model, base))["outcome"] == "pushed"


def test_what_was_not_sent_is_a_warning(trained, base, statsd, monkeypatch, caplog):
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_CUSTOM_CLIENT_PATH", f"{__name__}.BrokenClient")
    end_backend()
    initialize()
    model = trained()
    push(model, both(model, base))
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert any(re.search(r"imprimatur\.pushes wasn't sent: RuntimeError", w) for w in warnings)


def test_a_store_that_cannot_be_reached_never_fails_a_task(trained, base, statsd):
    class Unreachable:
        def get(self, key):
            raise ConnectionError(key)

    model = trained()
    context = make_context("pusher", task_state_store=Unreachable())
    assert push(model, both(model, base), context)["outcome"] == "pushed"


def test_a_serving_folder_that_cannot_be_read_never_fails_a_task(base, statsd):
    state = ServingFolder(base).state_directory
    state.mkdir(parents=True)
    (state / "hold.json").write_text("{")
    check = FreshnessOperator(task_id="freshness", model="flight_delays", max_age_hours=1)
    with pytest.raises(AirflowFailException, match="nothing is live"):
        check.execute(make_context("freshness"))


def test_without_metrics_nothing_is_kept_for_them(trained, base, statsd, monkeypatch):
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_ON", "False")
    model, store = trained(), Store()
    push(model, both(model, base), make_context("pusher", task_state_store=store))
    assert store == {}
    assert statsd.received() == []
