"""The approval operator up to the question, and what an answer comes to."""

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, ParamValidationError, TaskAwaitingInput

from components import signing
from components.pusher.blessings import objections
from components.pusher.request import Candidate, Options, PushRequest
from components.records import Baseline, Blessing, Bound, Finding, Model, Subject, Validator
from operators import ModelApprovalOperator, approval_question
from tests.operators.contexts import make_context

MODEL = Model("/models/1", "sha256:" + "a" * 64, 7)
LOW = Finding(
    "value_threshold",
    False,
    "AUC of origin=JFK is 0.500, below the bound 0.570",
    metric="AUC",
    slice={"origin": "JFK"},
    observed=0.5,
    bound=Bound(lower=0.57),
)
FINE = Finding("value_threshold", True, "AUC overall is 0.700", metric="AUC", observed=0.7)
UNDEFINED = Finding("value_threshold", False, "AUC overall isn't defined", metric="AUC")
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Store(dict[str, Any]):
    """Airflow's store of a task instance, in memory."""

    def set(self, key: str, value: Any, **_: Any) -> None:
        self[key] = value


def bless(kind: str, *findings: Finding) -> Blessing:
    return Blessing(
        kind=kind,  # type: ignore[arg-type]
        blessed=all(finding.passed for finding in findings),
        subject=Subject("model", MODEL.digest),
        findings=findings,
        validator=Validator("test", "1"),
        issued_at="2026-01-01T00:00:00Z",
        baseline=Baseline("/serving/flights") if kind == "evaluation" else None,
    )


INFRA = bless("infra", Finding("loads", True, "it loads"))


class Asked:
    """An approval task that was asked, and may be answered."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, blessings: list[Any], **changes: Any):
        self.detail: dict[str, Any] = {}
        monkeypatch.setattr(
            "airflow.providers.standard.operators.hitl.upsert_hitl_detail", self._keep
        )
        self.store = Store()
        self.context = make_context(
            "approval", run_type=changes.pop("run_type", "manual"), task_state_store=self.store
        )
        self.context["task_instance"] = self.context["ti"]
        self.context["ti"].id = "the task instance"
        self.given = [blessing and blessing.to_json() for blessing in blessings]
        self.changes = {"push_policy": "ask", **changes}

    def _keep(self, **detail: Any) -> None:
        self.detail = detail

    def operator(self) -> ModelApprovalOperator:
        return ModelApprovalOperator(
            task_id="approval",
            model=MODEL.to_json(),
            blessings=self.given,
            response_timeout=timedelta(days=1),
            **self.changes,
        )

    def execute(self) -> Any:
        return self.operator().execute(self.context)

    def answer(self, option: str = "Approve", user: Any = "ada", **inputs: Any) -> Blessing:
        with pytest.raises(TaskAwaitingInput) as parked:
            self.execute()
        assert parked.value.timeout == timedelta(days=1)
        event = {
            "chosen_options": [option],
            "params_input": inputs,
            "responded_at": NOW,
            "responded_by_user": user and {"id": "7", "name": user},
            "timedout": user is None,
        }
        left = self.operator().execute_complete(self.context, event)
        return Blessing.from_json(left)


@pytest.fixture
def ask(monkeypatch, installation):
    del installation
    return lambda *blessings, **changes: Asked(
        monkeypatch, list(blessings or (bless("evaluation", FINE), INFRA)), **changes
    )


def speaks_against(*blessings: Blessing) -> list[Finding]:
    """What the pusher says to these blessings."""
    options = Options(required_kinds=("evaluation", "infra", "approval"))
    request = PushRequest(None, MODEL, blessings, (), options)  # type: ignore[arg-type]
    candidate = Candidate(None, MODEL, MODEL.digest, MODEL.digest)  # type: ignore[arg-type]
    return objections(request, candidate, None)


@pytest.mark.parametrize(
    ("policy", "run_type"), [("auto", "manual"), ("never", "manual"), ("ask", "backfill")]
)
def test_nobody_is_asked_unless_the_policy_is_ask(ask, policy, run_type):
    asked = ask(push_policy=policy, run_type=run_type)
    assert asked.execute() is None
    assert policy in asked.context["ti"].xcoms["approval"]["not_asked"]
    assert not asked.detail


def test_a_missing_verdict_isnt_asked_about(ask):
    asked = ask(None, INFRA)
    assert asked.execute() is None
    assert "left no verdict" in asked.context["ti"].xcoms["approval"]["not_asked"]


def test_the_person_sees_bytes_metrics_slices_and_reasons(ask):
    asked = ask(bless("evaluation", FINE, LOW), INFRA)
    with pytest.raises(TaskAwaitingInput):
        asked.execute()
    body = asked.detail["body"]
    assert "(1 check failed)" in asked.detail["subject"]
    assert MODEL.digest in body
    assert "AUC of origin=JFK is 0.500, below the bound 0.570" in body
    assert "| AUC | origin=JFK | 0.5 | – | **failed** |" in body
    assert "| AUC | overall | 0.7 | – | ok |" in body
    assert asked.detail["defaults"] == ["Reject"]
    assert list(asked.detail["params"]) == ["override_1", "reason"]
    reason = asked.detail["params"]["reason"]
    assert (reason["value"], reason["schema"]["type"]) == (None, ["null", "string"])  # optional


def test_a_yes_is_a_blessing_for_exactly_these_bytes_and_this_folder(ask):
    approval = ask().answer(reason="looks fine")
    assert (approval.kind, approval.blessed) == ("approval", True)
    assert approval.subject == Subject("model", MODEL.digest)
    assert approval.destination == "/serving/flights"
    assert approval.issued_at == "2026-05-01T12:00:00Z"
    assert approval.findings[0].message == (
        "approved by ada (7) at 2026-05-01T12:00:00Z: looks fine"
    )
    assert approval.overrides == ()
    assert speaks_against(bless("evaluation", FINE), INFRA, approval) == []


def test_a_no_is_a_negative_blessing_and_no_skip(ask):
    approval = ask().answer("Reject", reason="too small a gain")
    assert not approval.blessed
    found = speaks_against(bless("evaluation", FINE), INFRA, approval)
    assert "rejected by ada (7)" in found[0].message
    assert "too small a gain" in found[0].message


def test_no_answer_in_time_is_a_no(ask):
    approval = ask().answer("Reject", user=None)
    assert not approval.blessed
    assert "nobody answered in time" in approval.findings[0].message


def test_a_named_threshold_may_be_overridden_with_a_reason(ask):
    evaluation = bless("evaluation", FINE, LOW)
    approval = ask(evaluation, INFRA).answer(override_1=True, reason="JFK was closed")
    (override,) = approval.overrides
    assert (override.metric, override.slice) == ("AUC", {"origin": "JFK"})
    assert (override.observed, override.bound) == (0.5, Bound(lower=0.57))
    assert (override.reason, override.by) == ("JFK was closed", "ada (7)")
    assert speaks_against(evaluation, INFRA, approval) == []


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"reason": "go"}, "didn't tick 1 of 1 missed thresholds"),
        ({"override_1": False, "reason": "go"}, "didn't tick"),
        ({"override_1": True, "reason": "  "}, "without a reason"),
    ],
)
def test_a_yes_that_leaves_a_missed_threshold_open_is_no_approval(ask, inputs, reason):
    approval = ask(bless("evaluation", LOW), INFRA).answer(**{"override_1": False, **inputs})
    assert not approval.blessed
    assert approval.overrides == ()
    assert reason in approval.findings[0].message


def test_an_answer_of_another_type_than_the_form_has_is_none(ask):
    with pytest.raises(ParamValidationError, match="'true' is not of type 'boolean'"):
        ask(bless("evaluation", LOW), INFRA).answer(override_1="true", reason="go")


@pytest.mark.parametrize(
    "blessings",
    [
        (bless("evaluation", FINE, UNDEFINED), INFRA),
        (bless("evaluation", FINE), bless("infra", Finding("loads", False, "it doesn't load"))),
    ],
)
def test_what_no_person_may_let_pass_isnt_asked_about(ask, blessings):
    asked = ask(*blessings)
    left = Blessing.from_json(asked.execute())
    assert not left.blessed
    assert "nobody was asked" in left.findings[0].message
    assert not asked.detail


def test_what_changes_while_the_person_thinks_doesnt_count(ask):
    """The XComs are read again when the task resumes; somebody may have edited them."""
    asked = ask(bless("evaluation", LOW), INFRA)
    operator = asked.operator()

    def edited() -> ModelApprovalOperator:
        operator.model = {**MODEL.to_json(), "digest": "sha256:" + "b" * 64}
        operator.blessings = []
        return operator

    with pytest.raises(TaskAwaitingInput):
        asked.execute()
    event = {
        "chosen_options": ["Approve"],
        "params_input": {"override_1": True, "reason": "go"},
        "responded_at": NOW,
        "responded_by_user": {"id": "7", "name": "ada"},
    }
    left = Blessing.from_json(edited().execute_complete(asked.context, event))
    assert left.subject.digest == MODEL.digest
    assert left.overrides[0].observed == 0.5


def test_a_question_that_isnt_kept_any_more_fails_without_a_retry(ask):
    asked = ask()
    with pytest.raises(TaskAwaitingInput):
        asked.execute()
    asked.store.clear()
    event = {"chosen_options": ["Approve"], "params_input": {}}
    with pytest.raises(AirflowFailException, match="isn't kept any more"):
        asked.operator().execute_complete(asked.context, event)


@pytest.fixture
def key(monkeypatch):
    made = bytes(range(32))
    monkeypatch.setenv("IMPRIMATUR_SIGNING_KEY", base64.b64encode(made).decode())
    return made


def signed(key: bytes, *blessings: Blessing) -> list[Blessing]:
    return [signing.sign(blessing, key) for blessing in blessings]


def test_the_approval_is_signed(ask, key):
    asked = ask(*signed(key, bless("evaluation", FINE), INFRA))
    assert signing.is_signed(asked.answer(), key)


def test_a_verdict_that_was_edited_is_not_put_before_a_person(ask, key):
    """Who approves decides by what they are shown."""
    honest, infra = signed(key, bless("evaluation", FINE), INFRA)
    better = replace(honest, findings=(replace(FINE, observed=0.99),))
    asked = ask(better, infra)
    left = Blessing.from_json(asked.execute())
    assert not left.blessed
    assert "the evaluation blessing has no valid signature" in left.findings[0].message
    assert not asked.detail


def resume(asked: Asked) -> Any:
    event = {"chosen_options": ["Approve"], "params_input": {}, "responded_at": NOW}
    user = {"id": "7", "name": "ada"}
    return asked.operator().execute_complete(asked.context, {**event, "responded_by_user": user})


def test_a_question_that_was_edited_while_it_waited_gives_no_approval(ask, key):
    asked = ask(*signed(key, bless("evaluation", FINE), INFRA))
    with pytest.raises(TaskAwaitingInput):
        asked.execute()
    assert resume(asked)["blessed"]
    asked.store["question"]["subject"]["digest"] = "sha256:" + "b" * 64
    with pytest.raises(AirflowFailException, match="was changed while it waited"):
        resume(asked)


def test_the_question_of_another_run_gives_no_approval(ask, key):
    other = ask(*signed(key, bless("evaluation", FINE), INFRA))
    other.context["ti"].run_id = "manual__other"
    asked = ask(*signed(key, bless("evaluation", FINE), INFRA))
    for one in (other, asked):
        with pytest.raises(TaskAwaitingInput):
            one.execute()
    asked.store.update(other.store)
    with pytest.raises(AirflowFailException, match="was changed while it waited"):
        resume(asked)


def test_what_is_kept_while_a_person_thinks_is_no_approval(ask):
    asked = ask()
    with pytest.raises(TaskAwaitingInput):
        asked.execute()
    kept = Blessing.from_json(asked.store["question"])
    assert speaks_against(bless("evaluation", FINE), INFRA, kept) != []


def test_its_form_has_a_field_for_each_missed_threshold():
    question = approval_question.question_of(MODEL, [bless("evaluation", FINE, LOW, LOW), INFRA])
    assert list(question.fields().values()) == [LOW.message, LOW.message]
