"""Each operator by `execute`: what it asks of its component, and what becomes of the answer."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

import operators
from components import signing
from components.evaluator.__main__ import build_parser as evaluator_parser
from components.records import Blessing, Examples, Model, Refusal, from_json
from operators import (
    EvaluatorOperator,
    ExampleGenOperator,
    InfraValidatorOperator,
    TrainerOperator,
    _component_task,
)
from tests.operators.contexts import make_context

JANUARY = datetime(2013, 1, 1, tzinfo=UTC)
FEBRUARY = datetime(2013, 2, 1, tzinfo=UTC)
SCHEDULED = {"run_type": "scheduled", "interval_start": JANUARY, "interval_end": FEBRUARY}


def as_xcom(value: Any) -> Any:
    """What Airflow makes of a returned value; NaN would fail the task."""
    return json.loads(json.dumps(value, allow_nan=False))


def asked(record: dict[str, Any]) -> dict[str, str]:
    """The flags that the component was given; an Examples' directory is the whole artifact."""
    uri = Path(record["uri"])
    directory = uri if record["type"] == "Examples" else uri.parent
    return json.loads((directory / "arguments.json").read_text())


def make_examples(**changes: Any) -> dict[str, Any]:
    arguments = {"source": "flights.parquet", "time_column": "time_hour", "interval": "@monthly"}
    operator = ExampleGenOperator(task_id="example_gen", **{**arguments, **changes})
    return as_xcom(operator.execute(make_context("example_gen", **SCHEDULED)))


def make_model(examples: dict[str, Any], **changes: Any) -> dict[str, Any]:
    operator = TrainerOperator(
        task_id="trainer", module_file="pyproject.toml", examples=examples, **changes
    )
    return as_xcom(operator.execute(make_context("trainer")))


@pytest.fixture
def examples(fake_components) -> dict[str, Any]:
    return make_examples()


@pytest.fixture
def model(examples) -> dict[str, Any]:
    return make_model(examples)


def test_example_gen_asks_for_the_interval_and_says_which_rule_applied(fake_components, capsys):
    context = make_context("example_gen", **SCHEDULED)
    operator = ExampleGenOperator(
        task_id="example_gen", source="f.csv", splits={"train": 1}, features=["a", "b"]
    )
    record = as_xcom(operator.execute(context))
    assert isinstance(from_json(record), Examples)
    flags = asked(record)
    assert flags["source"] == "f.csv"
    assert flags["window"] == "2013-01-01T00:00:00Z/2013-02-01T00:00:00Z"
    assert (json.loads(flags["splits"]), flags["features"]) == ({"train": 1}, "a,b")
    assert not flags.keys() & {"time_column", "newest_interval", "ends_by"}
    rule = context["ti"].xcoms["example_gen"]["window_rule"]
    assert rule in capsys.readouterr().out
    assert "scheduled" in rule


def test_example_gen_leaves_the_newest_interval_to_the_data(fake_components):
    context = make_context("example_gen", interval_start=JANUARY, interval_end=FEBRUARY)
    operator = ExampleGenOperator(
        task_id="example_gen", source="f", interval="@monthly", timezone="America/New_York"
    )
    flags = asked(operator.execute(context))
    assert (flags["newest_interval"], flags["timezone"]) == ("@monthly", "America/New_York")
    assert flags["ends_by"] == "2013-02-01T00:00:00+00:00"
    assert "window" not in flags


def test_example_gen_without_an_interval_needs_a_window(fake_components):
    operator = ExampleGenOperator(task_id="example_gen", source="f")
    with pytest.raises(AirflowFailException, match="window_start and window_end, or give interval"):
        operator.execute(make_context("example_gen"))


def test_an_empty_window_skips_and_leaves_the_refusal(fake_components):
    fake_components(example_gen="refuse")
    context = make_context("example_gen", **SCHEDULED)
    operator = ExampleGenOperator(task_id="example_gen", source="f")
    with pytest.raises(AirflowSkipException, match=r"empty_window.*has no rows"):
        operator.execute(context)
    refusal = from_json(as_xcom(context["ti"].xcoms["example_gen"]["refusal"]))
    assert isinstance(refusal, Refusal)
    assert refusal.check == "empty_window"


def test_the_artifact_lies_where_the_settings_say_and_names_its_run(examples, installation):
    run = json.loads(asked(examples)["run"])
    assert (run["dag_id"], run["task_id"], run["try_number"]) == ("flight_delays", "example_gen", 1)
    below = Path(examples["uri"]).relative_to(installation / "artifacts").parts
    assert below[:3] == (
        "flight_delays",
        "manual__2013-01-01T00%3A00%3A00%2B00%3A00",
        "example_gen",
    )


def test_trainer_passes_everything_on(examples):
    first = make_model(examples)
    record = make_model(
        examples,
        train_args={"num_steps": 5},
        eval_args={"num_steps": 2},
        hyperparameters={"learning_rate": 0.1, "shuffle_labels": False},
        custom_config={"a": None},
        base_model=first,
    )
    assert isinstance(from_json(record), Model)
    flags = asked(record)
    assert Path(flags["module_file"]).is_absolute()
    assert json.loads(flags["train_args"]) == {"num_steps": 5}
    assert json.loads(flags["eval_args"]) == {"num_steps": 2}
    assert json.loads(flags["hyperparameters"]) == {"learning_rate": 0.1, "shuffle_labels": False}
    assert json.loads(flags["custom_config"]) == {"a": None}
    assert record["examples_digest"] == examples["digest"]
    assert "base_model" in flags


def test_a_template_that_made_text_of_a_dict_is_named(examples):
    with pytest.raises(AirflowFailException, match="render_template_as_native_obj"):
        make_model(examples, hyperparameters="{'learning_rate': 0.1}")


@pytest.mark.parametrize(
    ("behaviour", "expected"), [("fault", AirflowException), ("usage", AirflowFailException)]
)
def test_a_component_that_fails_decides_about_the_retry(
    fake_components, examples, behaviour, expected
):
    fake_components(trainer=behaviour)
    with pytest.raises(AirflowException, match=r"trainer .*: broken on purpose") as caught:
        make_model(examples)
    assert type(caught.value) is expected


@pytest.mark.parametrize("upstream", [None, {"type": "Refusal"}, {}, "text"])
def test_an_upstream_task_without_its_record_is_an_error(fake_components, upstream):
    with pytest.raises(AirflowFailException):
        make_model(upstream)


def test_an_upstream_task_marked_as_success_by_hand_is_named(fake_components):
    with pytest.raises(AirflowFailException, match=r"examples is None.*marked as success by hand"):
        make_model(None)  # type: ignore[arg-type]


def test_evaluator_compares_with_what_is_live(model, examples, installation, monkeypatch):
    config = installation / "eval_config.json"
    config.touch()
    operator = EvaluatorOperator(
        task_id="evaluator",
        model=model,
        examples=examples,
        eval_config=str(config),
        first_run="refuse",
        example_splits=["eval"],
    )
    blessing = from_json(as_xcom(operator.execute(make_context("evaluator"))))
    assert isinstance(blessing, Blessing)
    assert (blessing.blessed, blessing.subject.digest) == (True, model["digest"])
    assert blessing.signature is None
    assert blessing.baseline is not None
    assert blessing.baseline.base_directory == str(installation / "serving" / "flight_delays")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, ("fail", False, "local", [])),
        (
            {"missing_slice": "pass", "without_thresholds": True, "engine": "beam"},
            ("pass", True, "beam", []),
        ),
        (
            {"engine": "beam", "beam_pipeline_args": ["--runner=FlinkRunner", "--parallelism=4"]},
            ("fail", False, "beam", ["--runner=FlinkRunner", "--parallelism=4"]),
        ),
    ],
)
def test_evaluator_says_how_and_what_holds_without_slices_and_thresholds(
    model, examples, monkeypatch, arguments, expected
):
    make_command = _component_task.component_command
    asked_for = []

    def command(name: str, words: list[str]) -> list[str]:
        asked_for.append(evaluator_parser().parse_args(words))
        return make_command(name, [word for word in words if word != "--without-thresholds"])

    monkeypatch.setattr(_component_task, "component_command", command)
    config = {"model_specs": []}
    operator = EvaluatorOperator(
        task_id="evaluator", model=model, examples=examples, eval_config=config, **arguments
    )
    operator.execute(make_context("evaluator"))
    (given,) = asked_for
    assert expected == (
        given.missing_slice,
        given.without_thresholds,
        given.engine,
        given.beam_pipeline_args,
    )


def test_evaluator_does_not_take_a_text_for_a_switch(model, examples):
    operator = EvaluatorOperator(
        task_id="evaluator",
        model=model,
        examples=examples,
        eval_config={},
        without_thresholds="False",  # type: ignore[arg-type]
    )
    with pytest.raises(AirflowFailException, match="without_thresholds is 'False'"):
        operator.execute(make_context("evaluator"))


@pytest.mark.parametrize("name", ["example_splits", "beam_pipeline_args"])
def test_evaluator_does_not_take_a_text_for_a_list(model, examples, name):
    arguments = {name: "eval"}
    operator = EvaluatorOperator(
        task_id="evaluator",
        model=model,
        examples=examples,
        eval_config={},
        **arguments,  # type: ignore[arg-type]
    )
    with pytest.raises(AirflowFailException, match=f"{name} is 'eval'; expected a list of texts"):
        operator.execute(make_context("evaluator"))


@pytest.mark.parametrize("operator_class", [EvaluatorOperator, InfraValidatorOperator])
def test_a_negative_blessing_is_a_successful_task(
    fake_components, model, examples, operator_class, caplog
):
    fake_components(evaluator="refuse", infra_validator="refuse")
    arguments = (
        {"eval_config": "pyproject.toml"}
        if operator_class is EvaluatorOperator
        else {"serving_spec": {"local_process": {}}}
    )
    operator = operator_class(task_id="judge", model=model, examples=examples, **arguments)
    with caplog.at_level("INFO"):
        blessing = from_json(as_xcom(operator.execute(make_context("judge"))))
    assert isinstance(blessing, Blessing)
    assert not blessing.blessed
    assert "NOT blessed" in caplog.text
    assert "below the bound 0.600" in caplog.text


@pytest.mark.parametrize(
    ("operator_class", "arguments"),
    [
        (EvaluatorOperator, {"eval_config": {"model_specs": []}}),
        (InfraValidatorOperator, {"serving_spec": {"local_process": {}}}),
    ],
)
def test_blessings_are_signed_where_a_key_is_set(
    model, examples, monkeypatch, operator_class, arguments
):
    key = bytes(range(32))
    monkeypatch.setenv("IMPRIMATUR_SIGNING_KEY", base64.b64encode(key).decode())
    operator = operator_class(task_id="judge", model=model, examples=examples, **arguments)
    blessing = from_json(as_xcom(operator.execute(make_context("judge"))))
    assert isinstance(blessing, Blessing)
    assert signing.is_signed(blessing, key)


def test_every_argument_that_configures_is_a_template_field():
    """Others are invisible in the UI, and don't make a new version of the DAG."""
    for name in operators.__all__:
        operator_class = getattr(operators, name)
        ours = [c for c in operator_class.__mro__ if c.__module__.startswith("operators.")]
        given = {name for c in ours for name in c.__init__.__annotations__}
        not_ours = {"response_timeout", "asset"}  # a timedelta, an asset: Airflow shows them
        own = given - {"kwargs", "trigger_rule", "return"} - not_ours
        assert own == set(operator_class.template_fields), name
        assert set(operator_class.template_fields_renderers) <= own, name


def test_every_argument_is_documented_as_templated():
    for name in operators.__all__:
        operator_class = getattr(operators, name)
        documented = operator_class.__doc__ or ""
        for field in operator_class.template_fields:
            assert f"        {field}: " in documented, (name, field)
        assert documented.count("(templated)") == len(operator_class.template_fields), name


def test_an_unknown_operator_is_no_attribute():
    with pytest.raises(AttributeError, match="NoSuchOperator"):
        _ = operators.NoSuchOperator
