"""ModelApproval: a person's yes or no before a push, where the push policy is ``ask``."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import Context, Param
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.exceptions import AirflowFailException

from components import signing
from components.records import Blessing, Finding, Model, Run, now
from operators._component_task import run_of, task_boundary, upstream_record
from operators._signing import signed, signing_key
from operators.approval_question import (
    APPROVE,
    REASON,
    REJECT,
    Answer,
    Question,
    answered,
    body,
    final_failures,
    kept,
    kept_question,
    not_asked,
    question_of,
    subject,
)
from operators.push_policy import asks
from operators.run_shape import run_type_of
from operators.verdict import tell_verdict

NOT_ASKED_KEY = "not_asked"
"""XCom key of the sentence that says why nobody was asked."""
_STORED = "question"
_ASK_AGAIN = "clear this task to ask again"
_KEPT_AFTER_TIMEOUT = timedelta(days=30)


class ModelApprovalOperator(HITLOperator):
    """Ask a person whether a model may be published; the answer is a blessing for its bytes.

    Without ``push_policy`` ``ask``, and in a backfill, nobody is asked and None is returned. With
    it the task waits under *Required Actions* in Airflow's page, where the person sees digest,
    data window, metrics, slices, failed checks and the reports. A threshold that the model missed
    can be ticked, to let it pass, with a reason: an override, which stands in the blessing and so
    in the version's record. What no person may let pass (NaN, a server that gives other answers)
    isn't asked about. No answer in time is a no.

    A "no" is a result: a negative blessing, and the pusher refuses.

    Args:
        model: a `Model` record. (templated)
        blessings: the outputs of the tasks that judge. (templated)
        push_policy: that of the pusher. (templated)
        response_timeout: how long to wait for the answer.
        assigned_users: who may answer, ``[{"id": …, "name": …}]``; default: whoever may act on the
            DAG's required actions.
        notifiers: told when somebody is asked.

    Returns the `Blessing` record, or None.
    """

    template_fields: Sequence[str] = ("model", "blessings", "push_policy")
    template_fields_renderers: ClassVar[dict[str, str]] = {"model": "json", "blessings": "json"}
    ui_color = "#f3e8fd"

    def __init__(
        self,
        *,
        model: Any,
        blessings: Sequence[Any],
        push_policy: str,
        response_timeout: timedelta,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            subject="Publish this model?",
            options=[APPROVE, REJECT],
            defaults=REJECT,
            response_timeout=response_timeout,
            **kwargs,
        )
        self.model = model
        self.blessings = blessings
        self.push_policy = push_policy

    def execute(self, context: Context) -> dict[str, Any] | None:
        """Ask, if somebody is to be asked; the answer resumes in `execute_complete`."""
        with task_boundary():
            reason = self._reason_not_to_ask(context)
            if reason is not None:
                self.log.info("Nobody is asked: %s", reason)
                context["ti"].xcom_push(key=NOT_ASKED_KEY, value=reason)
                return None
            model = upstream_record("model", self.model, Model)
            blessings = [upstream_record("a blessing", b, Blessing) for b in self.blessings]
            question = question_of(model, blessings)
            failures = [*_unsigned(blessings), *final_failures(model, blessings)]
            if failures:
                return self._left(not_asked(question, failures, run_of(context), now()), context)
            self.subject = subject(model, blessings)
            self.body = body(model, blessings)
            self.params = _form(question)
            self._store(context, question)
            super().execute(context)
        return None

    def execute_complete(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:
        """Make the blessing from the question as it was kept, and the answer."""
        with task_boundary():
            question = _kept_question(context)
            self.params = _form(question)
            reply = super().execute_complete(context, event)
            return self._left(answered(question, _answer(reply), run_of(context)), context)

    def _reason_not_to_ask(self, context: Context) -> str | None:
        run_type = run_type_of(context)
        if not asks(run_type, self.push_policy):
            return f"push_policy is {self.push_policy} in this {run_type} run"
        if None in self.blessings:
            return "a task that judges left no verdict, so the push is refused anyway"
        return None

    def _store(self, context: Context, question: Question) -> None:
        retention = (self.response_timeout or timedelta()) + _KEPT_AFTER_TIMEOUT
        record = signed(kept(question, run_of(context), now()))
        context["task_state_store"].set(_STORED, record.to_json(), retention=retention)

    def _left(self, blessing: Blessing, context: Context) -> dict[str, Any]:
        tell_verdict(blessing, context)
        return signed(blessing).to_json()


def _kept_question(context: Context) -> Question:
    """Return what this task asked.

    Whoever may clear a task may also edit what it keeps, or put another run's question there.
    """
    value: Any = context["task_state_store"].get(_STORED)
    if value is None:
        raise AirflowFailException(f"what was asked isn't kept any more; {_ASK_AGAIN}")
    record, run = Blessing.from_json(value), run_of(context)
    is_ours = record.run is not None and _identity(record.run) == _identity(run)
    if not is_ours or any(_unsigned([record])):
        raise AirflowFailException(f"what was asked was changed while it waited; {_ASK_AGAIN}")
    return kept_question(record)


def _identity(run: Run) -> tuple[str, str, str, int]:
    return run.dag_id, run.run_id, run.task_id, run.map_index


def _unsigned(blessings: Sequence[Blessing]) -> Iterator[Finding]:
    """Yield a finding for each record that somebody may have edited; none without a key."""
    key = signing_key()
    for blessing in blessings:
        if key is not None and not signing.is_signed(blessing, key):
            message = (
                f"the {blessing.kind} blessing has no valid signature: it was changed after it was "
                "issued; run the task that issues it again"
            )
            yield Finding("approval", False, message)


def _form(question: Question) -> ParamsDict:
    """Return the fields, without sections: Airflow's page repeats the whole question for each."""
    fields = {
        name: Param(
            False,
            type="boolean",
            title="Let this pass",
            description=message,
        )
        for name, message in question.fields().items()
    }
    reason = Param(  # Airflow's page takes an empty text for a field that must be filled in
        None,
        type=["null", "string"],
        title="Reason",
        description="Kept in the blessing. Needed to let a missed threshold pass.",
    )
    return ParamsDict({**fields, REASON: reason})


def _answer(reply: Mapping[str, Any]) -> Answer:
    user = reply["responded_by_user"]
    at = reply["responded_at"] or datetime.now(UTC)
    return Answer(
        approved=reply["chosen_options"] == [APPROVE],
        inputs=reply["params_input"],
        by=_name(user) if user else None,
        at=at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
    )


def _name(user: Mapping[str, Any]) -> str:
    name, id_ = user.get("name"), user.get("id")
    return str(name) if name == id_ or not id_ else f"{name} ({id_})"
