"""Pusher: publishes a model whose blessings allow it."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowException

from components import records
from components.records import Finding, PushedModel, Refusal, Run
from operators import metrics
from operators._component_task import (
    flag,
    json_object,
    resolve_path,
    run_component,
    run_of,
    skip_refused,
    task_boundary,
)
from operators._process import ChildProcess
from operators._signing import signing_key
from operators.destination import base_directory_of, push_destination
from operators.model_asset import model_name, tell_outlets
from operators.published_data import publishing_run
from operators.push_policy import refusal_by_policy, required_kinds
from operators.report_link import PreviousVersionLink
from operators.run_shape import run_type_of

DEFAULT_KINDS = ("evaluation", "infra")


class PusherOperator(BaseOperator):
    """Publish a model as the next version of a serving folder, if its blessings allow it.

    A refusal is no failure: the `Refusal` goes to XCom under ``refusal`` and the task is skipped.
    Assets among the outlets get the `PushedModel` as their event's ``extra``; a consumer looks at
    ``extra["outcome"]``.

    Args:
        model: a `Model` record, the output of `TrainerOperator`. (templated)
        blessings: `Blessing` records, the outputs of the tasks that judge. One that is None,
            because its task was marked as success by hand, refuses the push. (templated)
        model_blessing: one more blessing, under TFX's name for the evaluator's. (templated)
        infra_blessing: one more blessing, under TFX's name. (templated)
        approval: the output of `ModelApprovalOperator`; None where nobody was asked. (templated)
        push_destination: TFX's PushDestination,
            ``{"filesystem": {"base_directory": DIR}}``; default
            IMPRIMATUR_SERVING_ROOT/<dag id>. (templated)
        required_kinds: the kinds of blessing that must be there. (templated)
        push_policy: ``auto``; ``never``; or ``ask``, which needs an approval too. (templated)
        backfill_push: ``never`` or ``newer``, the only policy read in a backfill run. (templated)
        version: the number to publish as; default: from the data window. (templated)
        keep_versions: how many versions stay, at least 2. (templated)
        allow_older: whether a model may replace one that has seen newer data. (templated)
        confirm: servers that must say that they serve the version, ``{"urls": […], "model_name":
            …, "timeout_seconds": 360}``. (templated)
        reevaluate_with: ``{"examples": …, "eval_config": …}``: evaluate again if something else
            became live since the evaluation. The evaluator's policies belong here too:
            ``example_splits``, ``first_run``, ``missing_slice``, ``without_thresholds``.
            (templated)
        model_signing_key: path of a private key in PEM: the version gets an OpenSSF model
            signature. (templated)

    Returns the `PushedModel` record.
    """

    template_fields: Sequence[str] = (
        "model",
        "blessings",
        "model_blessing",
        "infra_blessing",
        "approval",
        "push_destination",
        "required_kinds",
        "push_policy",
        "backfill_push",
        "version",
        "keep_versions",
        "allow_older",
        "confirm",
        "reevaluate_with",
        "model_signing_key",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = dict.fromkeys(
        (
            "model",
            "blessings",
            "model_blessing",
            "infra_blessing",
            "approval",
            "push_destination",
            "required_kinds",
            "confirm",
            "reevaluate_with",
        ),
        "json",
    )
    operator_extra_links = (PreviousVersionLink(),)
    ui_color = "#d2e3fc"

    def __init__(
        self,
        *,
        model: Any,
        blessings: Sequence[Any] = (),
        model_blessing: Any = None,
        infra_blessing: Any = None,
        approval: Any = None,
        push_destination: Mapping[str, Any] | None = None,
        required_kinds: Sequence[str] = DEFAULT_KINDS,
        push_policy: str = "auto",
        backfill_push: str = "never",
        version: int | str | None = None,
        keep_versions: int = 5,
        allow_older: bool = False,
        confirm: Mapping[str, Any] | None = None,
        reevaluate_with: Mapping[str, Any] | None = None,
        model_signing_key: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.blessings = blessings
        self.model_blessing = model_blessing
        self.infra_blessing = infra_blessing
        self.approval = approval
        self.push_destination = push_destination
        self.required_kinds = required_kinds
        self.push_policy = push_policy
        self.backfill_push = backfill_push
        self.version = version
        self.keep_versions = keep_versions
        self.allow_older = allow_older
        self.confirm = confirm
        self.reevaluate_with = reevaluate_with
        self.model_signing_key = model_signing_key
        self._wired = (model_blessing is not None, infra_blessing is not None)
        self._child = ChildProcess()
        self._is_pushing = False
        self.previous_run: Run | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Push, or skip with the reasons."""
        with task_boundary():
            record = self._refuse(context) or self._push(context)
            if isinstance(record, Refusal):
                skip_refused(record, context)
            pushed = PushedModel.from_json(record.to_json())
            folder = base_directory_of(self._destination(context))
            self.previous_run = publishing_run(folder, pushed.previous_version)
            tell_outlets(self.outlets, pushed, folder, context, pushed.outcome)
            metrics.count(
                context,
                "imprimatur.pushes",
                pushed.version,
                model=model_name(folder),
                outcome=pushed.outcome,
            )
            metrics.serving_folder(folder)
            return pushed.to_json()

    def on_kill(self) -> None:
        """Stop a push: kill the child's process group, or interrupt a push in this process.

        Airflow lets `execute` go on after this. An interrupted push is like one that crashed:
        what isn't whole yet is swept by the next writer.

        Raises:
            AirflowException: in the middle of a push.
        """
        self._child.kill()
        if self._is_pushing:
            raise AirflowException("the push was stopped: Airflow asked this task to end")

    def _refuse(self, context: Context) -> Refusal | None:
        run_type = run_type_of(context)
        refused = refusal_by_policy(run_type, self.push_policy, self.backfill_push)
        return refused or _refuse_missing(self._given_blessings())

    def _given_blessings(self) -> list[Any]:
        named = zip(self._wired, (self.model_blessing, self.infra_blessing), strict=True)
        approvals = [] if self.approval is None else [self.approval]
        return [
            *self.blessings,
            *(blessing for is_wired, blessing in named if is_wired),
            *approvals,
        ]

    def _push(self, context: Context) -> records.Record:
        kinds = required_kinds(self.required_kinds, run_type_of(context), self.push_policy)
        arguments: dict[str, Any] = {
            "version": self.version,
            "keep_versions": self.keep_versions,
            "allow_older": flag("allow_older", self.allow_older),
            "confirm": json_object("confirm", self.confirm),
            "reevaluate_with": self._reevaluation(context),
            "model_signing_key": self.model_signing_key,
        }
        shared = (self._destination(context), kinds, arguments, context)
        is_long = arguments["confirm"] or arguments["reevaluate_with"]
        return self._push_in_child(*shared) if is_long else self._push_here(*shared)

    def _destination(self, context: Context) -> Mapping[str, Any]:
        given = json_object("push_destination", self.push_destination)
        return given or push_destination(context)

    def _push_here(
        self,
        destination: Mapping[str, Any],
        kinds: Sequence[str],
        arguments: Mapping[str, Any],
        context: Context,
    ) -> records.Record:
        from components import pusher

        self._is_pushing = True
        try:
            return pusher.push(
                model=self.model,
                blessings=self._given_blessings(),
                push_destination=destination,
                required_kinds=kinds,
                run=run_of(context),
                signing_key=signing_key(),
                **arguments,
            )
        finally:
            self._is_pushing = False

    def _push_in_child(
        self,
        destination: Mapping[str, Any],
        kinds: Sequence[str],
        arguments: Mapping[str, Any],
        context: Context,
    ) -> records.Record:
        flags = {
            "model": self.model,
            "blessing": self._given_blessings(),
            "base_directory": base_directory_of(destination),
            "required_kind": list(kinds),
            **arguments,
        }
        return run_component(
            self._child, "pusher", flags, context, verb="push", signing_key=signing_key()
        )

    def _reevaluation(self, context: Context) -> dict[str, Any] | None:
        given = json_object("reevaluate_with", self.reevaluate_with)
        if given and isinstance(given.get("eval_config"), str):
            given["eval_config"] = resolve_path(given["eval_config"], context)
        return given


def _refuse_missing(blessings: Sequence[Any]) -> Refusal | None:
    missing = [str(index + 1) for index, blessing in enumerate(blessings) if blessing is None]
    if not missing:
        return None
    message = (
        f"blessing {', '.join(missing)} of {len(blessings)} is missing: the task that judges left "
        "no verdict, for instance because it was marked as success by hand; clear it"
    )
    return Refusal(findings=(Finding(check="blessing_missing", passed=False, message=message),))
