"""The pusher, rollback and report operators, on a real serving folder."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Asset
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from components import artifacts, pusher, signing
from components.records import (
    Baseline,
    Blessing,
    Finding,
    Model,
    Refusal,
    Subject,
    Validator,
    Window,
)
from components.serving_folder import ServingFolder
from operators import PusherOperator, ReportOperator, RollbackOperator
from operators.pusher import DEFAULT_KINDS
from tests.operators.contexts import make_context

ASSET = Asset(name="model/flights", uri="x-imprimatur://model/flights")
KEY = bytes(range(32))


@pytest.fixture
def base(installation) -> Path:
    return installation / "serving" / "flight_delays"


@pytest.fixture
def trained(tmp_path):
    def train(month: int = 1) -> Model:
        directory = tmp_path / f"model-{month}"
        (directory / "variables").mkdir(parents=True)
        (directory / "saved_model.pb").write_text(f"month {month}")
        (directory / "variables" / "variables.index").touch()
        window = Window(f"2013-{month:02}-01", f"2013-{month + 1:02}-01")
        return Model(str(directory), artifacts.digest(directory), 7, window=window)

    return train


def bless(model: Model, kind: str, *, blessed: bool = True, base: Path | None = None) -> Blessing:
    live = ServingFolder(str(base)).live() if base is not None else None
    baseline = base and Baseline(str(base), live and str(live.number), live and live.digest)
    messages = ["AUC is 0.5, below 0.6"] if blessed else ["first", "second", "third", "fourth"]
    return Blessing(
        kind=kind,  # type: ignore[arg-type]
        blessed=blessed,
        subject=Subject("model", model.digest),
        findings=tuple(Finding("value_threshold", blessed, text) for text in messages),
        validator=Validator("test", "1"),
        issued_at="2026-01-01T00:00:00Z",
        baseline=baseline or None,
    )


def push(model: Model | None, blessings: list[Any], context=None, **changes: Any) -> Any:
    operator = PusherOperator(
        task_id="pusher",
        model=model and model.to_json(),
        blessings=[blessing and blessing.to_json() for blessing in blessings],
        outlets=[ASSET],
        **changes,
    )
    return operator.execute(context or make_context("pusher"))


def both(model: Model, base: Path) -> list[Blessing]:
    return [bless(model, "evaluation", base=base), bless(model, "infra")]


def test_a_blessed_model_goes_live_and_the_asset_event_says_so(trained, base):
    model, context = trained(), make_context("pusher")
    pushed = push(model, both(model, base), context)
    assert json.loads(json.dumps(pushed, allow_nan=False)) == pushed
    assert (pushed["outcome"], pushed["version"]) == ("pushed", "20130201000000")
    assert (base / "20130201000000" / "saved_model.pb").read_text() == "month 1"
    assert context["outlet_events"][ASSET].extra == pushed


def test_the_same_bytes_again_are_live_already(trained, base):
    model = trained()
    blessings = both(model, base)
    push(model, blessings)
    other_run = make_context("pusher")
    other_run["ti"].run_id = "manual__another"
    assert push(model, blessings, other_run)["outcome"] == "already_live"


def test_tfxs_names_for_the_blessings_are_taken(trained, base):
    model = trained()
    evaluation, infra = both(model, base)
    pushed = push(model, [], model_blessing=evaluation.to_json(), infra_blessing=infra.to_json())
    assert pushed["outcome"] == "pushed"


def test_a_refusal_skips_with_the_first_three_findings_and_leaves_them_all(trained, base):
    model, context = trained(), make_context("pusher")
    blessings = [bless(model, "evaluation", blessed=False, base=base), bless(model, "infra")]
    with pytest.raises(AirflowSkipException, match="refused \\(not_blessed\\)") as caught:
        push(model, blessings, context)
    refusal = context["ti"].xcoms["pusher"]["refusal"]
    assert refusal["type"] == "Refusal"
    first = [finding["message"].rstrip(".") for finding in refusal["findings"][:3]]
    assert all(message in str(caught.value) for message in first)
    assert not context["outlet_events"][ASSET].extra
    assert ServingFolder(str(base)).live() is None


@pytest.mark.parametrize("missing", [0, 1])
def test_a_blessing_that_is_none_refuses(trained, base, missing):
    """A task marked as success by hand leaves no blessing; even one that isn't required counts."""
    model = trained()
    blessings: list[Any] = both(model, base)
    blessings[missing] = None
    with pytest.raises(AirflowSkipException, match=f"blessing {missing + 1} of 2 is missing"):
        push(model, blessings, required_kinds=[("infra", "evaluation")[missing]])
    assert not base.exists()


def test_a_named_blessing_that_is_none_when_rendered_refuses(trained, base):
    model = trained()
    infra = bless(model, "infra")
    operator = PusherOperator(
        task_id="pusher",
        model=model.to_json(),
        model_blessing="{{ wired }}",
        infra_blessing=infra.to_json(),
        required_kinds=["infra"],
    )
    operator.model_blessing = None  # as Airflow renders it
    with pytest.raises(AirflowSkipException, match="blessing 1 of 2 is missing"):
        operator.execute(make_context("pusher"))


def test_without_a_model_nothing_is_pushed(trained, base):
    with pytest.raises(AirflowSkipException, match="blessing_missing"):
        push(None, both(trained(), base))


@pytest.mark.parametrize(
    ("run_type", "policies", "is_pushed"),
    [
        ("manual", {}, True),
        ("scheduled", {"push_policy": "never"}, False),
        ("manual", {"push_policy": "never", "backfill_push": "newer"}, False),
        ("backfill", {"push_policy": "auto"}, False),
        ("backfill", {"push_policy": "never", "backfill_push": "newer"}, True),
        ("backfill", {"push_policy": "ask", "backfill_push": "newer"}, True),
        ("manual", {"push_policy": "ask"}, False),
    ],
)
def test_the_policy_decides_first(trained, base, run_type, policies, is_pushed):
    model = trained()
    context = make_context("pusher", run_type=run_type)
    if is_pushed:
        assert push(model, both(model, base), context, **policies)["outcome"] == "pushed"
        return
    with pytest.raises(AirflowSkipException):
        push(model, both(model, base), context, **policies)
    check = context["ti"].xcoms["pusher"]["refusal"]["findings"][0]["check"]
    assert check == ("blessing_missing" if policies.get("push_policy") == "ask" else "policy")


def test_a_refused_backfill_says_how_to_allow_it(trained, base):
    model = trained()
    with pytest.raises(AirflowSkipException, match=r'\{"backfill_push": "newer"\}'):
        push(model, both(model, base), make_context("pusher", run_type="backfill"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"push_policy": "always"}, "push_policy is 'always'; expected one of auto, never, ask"),
        ({"backfill_push": "auto"}, "backfill_push is 'auto'"),
        ({"allow_older": "False"}, "allow_older is 'False'; expected true or false"),
        ({"keep_versions": 1}, "keep_versions is 1"),
        ({"push_destination": {"filesystem": {}}}, "push_destination is"),
        ({"confirm": {"urls": []}}, "confirm is"),
    ],
)
def test_wrong_configuration_is_not_retried(trained, base, changes, message):
    model = trained()
    with pytest.raises(AirflowFailException, match=message):
        push(model, both(model, base), **changes)


def test_with_reevaluation_it_pushes_in_a_child_process(trained, base, tmp_path):
    model = trained()
    config = tmp_path / "eval_config.json"
    config.touch()
    reevaluate_with = {"examples": "examples.json", "eval_config": str(config)}
    pushed = push(model, both(model, base), reevaluate_with=reevaluate_with, allow_older=True)
    assert pushed["outcome"] == "pushed"
    assert pushed["run"]["task_id"] == "pusher"


def test_changed_bytes_are_not_retried(trained, base):
    model = trained()
    blessings = both(model, base)
    (Path(model.uri) / "saved_model.pb").write_text("changed")
    with pytest.raises(AirflowFailException):
        push(model, blessings)
    assert ServingFolder(str(base)).live() is None


@pytest.mark.parametrize("extra", [{}, {"reevaluate_with": {"examples": "a", "eval_config": "/b"}}])
def test_with_a_key_set_an_unsigned_blessing_is_refused(trained, base, monkeypatch, extra):
    monkeypatch.setenv("IMPRIMATUR_SIGNING_KEY", base64.b64encode(KEY).decode())
    model = trained()
    blessings = both(model, base)
    with pytest.raises(AirflowSkipException, match="bad_signature"):
        push(model, blessings, **extra)
    signed = [signing.sign(blessing, KEY) for blessing in blessings]
    assert push(model, signed, **extra)["outcome"] == "pushed"


def test_a_kill_interrupts_a_push_in_this_process(trained, base, monkeypatch):
    model = trained()
    operator = PusherOperator(task_id="pusher", model=model.to_json(), blessings=[])
    reached = []

    def killed_in_the_middle(**_: Any) -> None:
        operator.on_kill()
        reached.append("after the kill")

    monkeypatch.setattr(pusher, "push", killed_in_the_middle)
    with pytest.raises(AirflowException, match="the push was stopped"):
        operator.execute(make_context("pusher"))
    assert not reached
    operator.on_kill()  # after the push, as Airflow does on a timeout


def test_the_default_kinds_are_the_components():
    from components.pusher.request import REQUIRED_KINDS

    assert DEFAULT_KINDS == REQUIRED_KINDS


def test_rollback_makes_the_version_before_live_and_keeps_who_and_why(trained, base):
    for month in (1, 2):
        model = trained(month)
        context = make_context("pusher")
        context["ti"].run_id = f"run {month}"
        push(model, both(model, base), context)
    operator = RollbackOperator(
        task_id="rollback",
        base_directory=str(base),
        reason="error rate doubled",
        from_version="20130301000000",
    )
    live = operator.execute(make_context("rollback", user="ada"))
    assert live["version"] == "20130201000000"
    kept = (base / ".imprimatur" / "versions" / "20130301000000.json").read_text()
    assert "error rate doubled" in kept
    assert '"ada"' in kept

    context = make_context("rollback")
    context["ti"].run_id = "another click"
    with pytest.raises(AirflowSkipException, match="live_changed"):
        operator.execute(context)


def report_of(xcoms: dict[str, dict[str, Any]]) -> dict[str, Any]:
    operator = ReportOperator(task_id="report", stages=list(xcoms))
    report = operator.execute(make_context("report", xcoms=xcoms))
    return json.loads(json.dumps(report, allow_nan=False))


def test_the_report_says_why_a_push_was_refused(trained, base, capsys):
    model, context = trained(), make_context("pusher")
    evaluation = bless(model, "evaluation", blessed=False, base=base)
    with pytest.raises(AirflowSkipException):
        push(model, [evaluation, bless(model, "infra")], context)
    report = report_of(
        {
            "trainer": {"return_value": model.to_json()},
            "evaluator": {"return_value": evaluation.to_json()},
            "pusher": context["ti"].xcoms["pusher"],
        }
    )
    assert report["outcome"] == "refused"
    assert report["headline"].startswith("REFUSED by pusher: not_blessed: ")
    results = [(stage["task_id"], stage["result"]) for stage in report["stages"]]
    assert results == [("trainer", "done"), ("evaluator", "not blessed"), ("pusher", "refused")]
    assert "first; second; third; and 1 more" in report["stages"][1]["why"]
    assert "what and why" in capsys.readouterr().out


def test_the_report_names_what_was_published(trained, base):
    model = trained()
    pushed = push(model, both(model, base))
    report = report_of({"pusher": {"return_value": pushed}})
    assert report["outcome"] == "pushed"
    assert "version 20130201000000, the first one" in report["headline"]


def test_the_report_shows_an_empty_window_and_who_was_skipped_after_it():
    refusal = Refusal((Finding("empty_window", False, "no rows in 2014"),)).to_json()
    xcoms = {"example_gen": {"refusal": refusal, "window_rule": "by hand"}, "trainer": {}}
    report = report_of(xcoms)
    assert report["headline"] == "REFUSED by example_gen: empty_window: no rows in 2014 (by hand)"
    assert report["stages"][1]["result"] == "skipped"


def test_a_rollback_wants_to_know_whether_to_hold(trained, base):
    model = trained()
    push(model, both(model, base))
    operator = RollbackOperator(
        task_id="rollback", base_directory=str(base), reason="bad", hold="no"
    )
    with pytest.raises(AirflowFailException, match="hold is 'no'; expected true or false"):
        operator.execute(make_context("rollback"))
