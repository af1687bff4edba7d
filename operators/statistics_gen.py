"""StatisticsGen: what is in the examples."""

from collections.abc import Sequence
from typing import Any, ClassVar

from airflow.sdk import BaseOperator, Context

from components.records import Examples, Statistics
from operators._component_task import run_component, task_boundary, upstream_record
from operators._process import ChildProcess
from operators.destination import serving_folder
from operators.published_data import published_statistics


class StatisticsGenOperator(BaseOperator):
    """Compute the statistics of examples by split and slice, and a page that shows them.

    Args:
        examples: an `Examples` record, the output of `ExampleGenOperator`. (templated)
        splits: which; default: all. (templated)
        slice_features: features with few values: each value makes a data set. (templated)
        baseline: a serving folder: the data of its live version are shown beside these. Default:
            IMPRIMATUR_SERVING_ROOT/<dag id>. (templated)

    Returns the `Statistics` record.
    """

    template_fields: Sequence[str] = ("examples", "splits", "slice_features", "baseline")
    template_fields_renderers: ClassVar[dict[str, str]] = dict.fromkeys(
        ("examples", "splits", "slice_features"), "json"
    )
    ui_color = "#e8f0fe"

    def __init__(
        self,
        *,
        examples: Any,
        splits: Sequence[str] | None = None,
        slice_features: Sequence[str] | None = None,
        baseline: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.examples = examples
        self.splits = splits
        self.slice_features = slice_features
        self.baseline = baseline
        self._child = ChildProcess()

    def execute(self, context: Context) -> dict[str, Any]:
        """Compute the statistics."""
        with task_boundary():
            flags = {
                "examples": upstream_record("examples", self.examples, Examples),
                "splits": list(self.splits or ()),
                "slice_features": list(self.slice_features or ()),
                "baseline": published_statistics(self.baseline or serving_folder(context)),
            }
            record = run_component(
                self._child, "data_validation", flags, context, verb="statistics"
            )
            return Statistics.from_json(record.to_json()).to_json()

    def on_kill(self) -> None:
        """Kill the process group."""
        self._child.kill()
