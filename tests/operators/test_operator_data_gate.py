"""Bad data cost no training; drift is measured from the data of what is published."""

import base64
import json

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from components import artifacts, pusher, records, signing
from components.artifact_path import artifact_directory
from components.records import (
    Blessing,
    Examples,
    Finding,
    Model,
    Run,
    Split,
    Statistics,
    Subject,
    Validator,
    Window,
)
from operators import ExampleValidatorOperator, SchemaGenOperator, StatisticsGenOperator
from operators.data_gate import check_data
from operators.published_data import published_statistics
from tests.operators.contexts import make_context

EXAMPLES = Examples("/e", {"train": Split("Split-train/*", 7)}, "sha256:" + "e" * 64)
KEY = bytes(range(32))


def bless(blessed=True, kind="data", digest=EXAMPLES.digest) -> Blessing:
    findings = () if blessed else (Finding("schema_missing_column", False, "no 'fare'"),)
    subject, validator = Subject("examples", digest), Validator("test", "1")
    return Blessing(kind, blessed, subject, findings, validator, "2026-01-01T00:00:00Z")


def refusal_of(blessing, context=None):
    context = context or make_context("trainer")
    given = blessing if blessing is None or isinstance(blessing, dict) else blessing.to_json()
    with pytest.raises(AirflowSkipException, match="data_not_blessed"):
        check_data(given, is_wired=True, examples=EXAMPLES, context=context)
    return context["ti"].xcoms["trainer"]["refusal"]


def test_blessed_data_pass(installation):
    check_data(bless().to_json(), is_wired=True, examples=EXAMPLES, context=make_context("trainer"))


def test_without_the_gate_nothing_is_asked(installation):
    check_data(None, is_wired=False, examples=EXAMPLES, context=make_context("trainer"))


@pytest.mark.parametrize(
    ("blessing", "words"),
    [
        (None, "marked as success by hand"),
        (bless(blessed=False), "the data are not blessed"),
        (bless(kind="infra"), "expected a data blessing for these examples"),
        (bless(digest="sha256:" + "f" * 64), "expected a data blessing for these examples"),
        ({"type": "Blessing", "schema_version": 2}, "can't be read"),
    ],
)
def test_what_is_no_blessing_for_these_data_skips(installation, blessing, words):
    refusal = refusal_of(blessing)

    assert words in refusal["findings"][0]["message"]
    assert refusal["model_digest"] is None


def test_the_reasons_are_kept(installation):
    assert [f["check"] for f in refusal_of(bless(blessed=False))["findings"]] == [
        "data_not_blessed",
        "schema_missing_column",
    ]


def test_with_a_key_the_blessing_must_be_signed(installation, monkeypatch):
    monkeypatch.setattr(signing, "close_proc", lambda: None)
    monkeypatch.setenv(signing.KEY_VARIABLE, base64.b64encode(KEY).decode())

    assert "isn't signed" in refusal_of(bless())["findings"][0]["message"]
    signed = signing.sign(bless(), KEY).to_json()
    check_data(signed, is_wired=True, examples=EXAMPLES, context=make_context("trainer"))


@pytest.fixture(params=[-1, 2], ids=["single", "mapped"])
def published(installation, request):
    """A published model, whose run kept the statistics of its data."""
    run = Run("flight_delays", "scheduled__2013-01-01", "statistics_gen", map_index=request.param)
    directory = artifact_directory(installation / "artifacts", run)
    directory.mkdir(parents=True)
    kept = Statistics(str(directory), "sha256:" + "a" * 64, EXAMPLES.digest)
    artifacts.write_record(kept, directory)
    model_directory = installation / "model"
    model_directory.mkdir()
    (model_directory / "saved_model.pb").write_text("graph")
    digest = artifacts.digest(model_directory)
    model = Model(
        str(model_directory),
        digest,
        5,
        window=Window("2013-01-01", "2013-02-01"),
        examples_digest=EXAMPLES.digest,
    )
    subject, validator = Subject("model", digest), Validator("test", "1")
    base = installation / "serving" / "flight_delays"
    pusher.push(
        model=model,
        blessings=[
            Blessing(kind, True, subject, (), validator, "2026-01-01T00:00:00Z")
            for kind in ("evaluation", "infra")
        ],
        push_destination={"filesystem": {"base_directory": str(base)}},
        run=Run("flight_delays", "scheduled__2013-01-01", "pusher"),
    )
    return base, kept


def test_the_statistics_of_the_published_data_are_found(published):
    base, kept = published

    assert published_statistics(base) == kept


def test_statistics_of_other_data_of_that_run_do_not_count(published):
    base, kept = published
    (path,) = (base.parents[1] / "artifacts").rglob("record.json")
    path.write_text(json.dumps({**kept.to_json(), "examples_digest": "sha256:" + "b" * 64}))

    assert published_statistics(base) is None


def test_where_nothing_is_published_there_are_none(installation):
    assert published_statistics(installation / "serving" / "flight_delays") is None


def test_the_stages_hand_over_what_they_were_given(published, fake_components, tmp_path):
    fake_components()
    context = make_context("statistics_gen")
    examples = EXAMPLES.to_json()

    statistics = StatisticsGenOperator(
        task_id="statistics_gen", examples=examples, slice_features=["carrier"]
    ).execute(context)
    schema = SchemaGenOperator(task_id="schema_gen", statistics=statistics).execute(
        make_context("schema_gen")
    )
    blessing = ExampleValidatorOperator(
        task_id="example_validator", examples=examples, statistics=statistics, schema=schema
    ).execute(make_context("example_validator"))

    assert blessing["kind"] == "data"
    asked = json.loads((records_of(statistics) / "arguments.json").read_text())
    assert asked["slice_features"] == "carrier"
    assert "baseline" in asked
    assert records.from_json(schema).examples_digest == EXAMPLES.digest


def records_of(record):
    from pathlib import Path

    return Path(record["uri"])


def test_an_option_that_begins_with_dashes_reaches_the_component(tmp_path):
    from operators._component_task import _arguments

    flags = {"beam_pipeline_args": ["--runner=FlinkRunner"], "splits": ["train"], "again": True}

    assert list(_arguments(flags, tmp_path)) == [
        "--beam-pipeline-args=--runner=FlinkRunner",
        *("--splits", "train"),
        "--again",
    ]
