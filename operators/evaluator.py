"""Evaluator: is the model good enough, and not worse than what is live?"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow.sdk import BaseOperator, Context

from components.records import Blessing, Examples, Model
from operators import metrics
from operators._component_task import (
    flag,
    resolve_path,
    run_component,
    task_boundary,
    text_list,
    upstream_record,
)
from operators._process import ChildProcess
from operators._signing import signed
from operators.destination import serving_folder
from operators.report_link import EvaluationReportLink
from operators.verdict import tell_verdict


class EvaluatorOperator(BaseOperator):
    """Measure a model on held-out examples and judge it by thresholds.

    "Not blessed" is a result: the task succeeds and the pusher refuses.

    Args:
        model: a `Model` record, the output of `TrainerOperator`. (templated)
        examples: an `Examples` record. (templated)
        eval_config: TFMA's EvalConfig, as a dict, or as the path of a JSON file, relative to the
            DAG bundle. (templated)
        baseline: what the model is compared with: a serving folder, whose live version counts, or
            a `Model` record. Default: the serving folder that `PusherOperator` pushes to by
            default, IMPRIMATUR_SERVING_ROOT/<dag id>. (templated)
        first_run: ``bless`` or ``refuse`` where nothing is live yet. (templated)
        missing_slice: ``fail`` or ``pass`` where no example belongs to the slices that a threshold
            is for. (templated)
        without_thresholds: whether it is on purpose that the eval config has no thresholds; the
            model is then measured and blessed. Otherwise such a config is refused. (templated)
        example_splits: the splits to measure on; default ``eval``. (templated)
        engine: ``local`` measures in the task, ``beam`` by Apache Beam, to the same numbers.
            (templated)
        beam_pipeline_args: Beam's options, for instance ``--runner=FlinkRunner``; default: its
            runner within the task. Its workers must see artifacts and serving folder by the same
            paths. (templated)

    Returns the `Blessing` record.
    """

    template_fields: Sequence[str] = (
        "model",
        "examples",
        "eval_config",
        "baseline",
        "first_run",
        "missing_slice",
        "without_thresholds",
        "example_splits",
        "engine",
        "beam_pipeline_args",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = dict.fromkeys(
        (
            *("model", "examples", "baseline", "without_thresholds", "example_splits"),
            "beam_pipeline_args",
        ),
        "json",
    )
    operator_extra_links = (EvaluationReportLink(),)
    ui_color = "#fef7e0"

    def __init__(
        self,
        *,
        model: Any,
        examples: Any,
        eval_config: str | Mapping[str, Any],
        baseline: str | Mapping[str, Any] | None = None,
        first_run: str = "bless",
        missing_slice: str = "fail",
        without_thresholds: bool = False,
        example_splits: Sequence[str] | None = None,
        engine: str = "local",
        beam_pipeline_args: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.examples = examples
        self.eval_config = eval_config
        self.baseline = baseline
        self.first_run = first_run
        self.missing_slice = missing_slice
        self.without_thresholds = without_thresholds
        self.example_splits = example_splits
        self.engine = engine
        self.beam_pipeline_args = beam_pipeline_args
        self.left_blessing: Blessing | None = None
        self._child = ChildProcess()

    def execute(self, context: Context) -> dict[str, Any]:
        """Evaluate."""
        with task_boundary():
            flags = {
                "model": upstream_record("model", self.model, Model),
                "examples": upstream_record("examples", self.examples, Examples),
                "eval_config": self._eval_config(context),
                "baseline": self._baseline(context),
                "first_run": self.first_run,
                "missing_slice": self.missing_slice,
                "without_thresholds": flag("without_thresholds", self.without_thresholds),
                "example_splits": text_list("example_splits", self.example_splits),
                "engine": self.engine,
                "beam_pipeline_args": text_list("beam_pipeline_args", self.beam_pipeline_args),
            }
            record = run_component(self._child, "evaluator", flags, context)
            blessing = signed(Blessing.from_json(record.to_json()))
            self.left_blessing = blessing
            tell_verdict(blessing, context)
            _measure(blessing, context)
            return blessing.to_json()

    def on_kill(self) -> None:
        """Kill the evaluation's process group."""
        self._child.kill()

    def _eval_config(self, context: Context) -> str | dict[str, Any]:
        if isinstance(self.eval_config, Mapping):
            return dict(self.eval_config)
        return resolve_path(self.eval_config, context)

    def _baseline(self, context: Context) -> str | Model:
        if isinstance(self.baseline, Mapping):
            return upstream_record("baseline", self.baseline, Model)
        return self.baseline or str(serving_folder(context))


def _measure(blessing: Blessing, context: Context) -> None:
    """Tell what the model got on all examples, in each metric that a threshold is for."""
    overall = (finding for finding in blessing.findings if finding.metric and not finding.slice)
    values = {str(each.metric): each.observed for each in overall}
    for metric, value in values.items():
        if value is not None:
            metrics.gauge(
                "imprimatur.candidate_metric", value, dag_id=context["ti"].dag_id, metric=metric
            )
