"""InfraValidator: does the model load in a server and answer as it should?"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow.sdk import BaseOperator, Context

from components.records import Blessing, Examples, Model
from operators._component_task import json_object, run_component, task_boundary, upstream_record
from operators._process import ChildProcess
from operators._signing import signed
from operators.report_link import InfraReportLink
from operators.verdict import tell_verdict


class InfraValidatorOperator(BaseOperator):
    """Start a model server on a model, ask it real examples, and compare the answers.

    "Not blessed" is a result: the task succeeds and the pusher refuses. A server that can't be
    started is a fault: the task fails and is retried.

    Args:
        model: a `Model` record. (templated)
        examples: an `Examples` record to take requests from. (templated)
        serving_spec: TFX's ServingSpec as JSON. ``{"local_process": {}}`` starts the server that
            comes with this project; ``{"tensorflow_serving": {"tags": [...], "digests": [...]},
            "local_docker": {}}`` starts containers, each of which must pass. ``resources`` (for
            instance ``{"memory": "2Gi"}``) is what a server may take. (templated)
        validation_spec: TFX's ValidationSpec as JSON, and ``max_request_time_seconds``,
            ``max_latency_milliseconds`` by percentile, ``min_requests_per_second``, ``op_policy``
            (``warn``, ``refuse``). (templated)
        request_spec: TFX's RequestSpec as JSON. With ``make_warmup`` the blessing carries the model
            that is to be pushed, with warm-up requests that hold real examples. (templated)

    Returns the `Blessing` record.
    """

    template_fields: Sequence[str] = (
        "model",
        "examples",
        "serving_spec",
        "validation_spec",
        "request_spec",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = dict.fromkeys(template_fields, "json")
    operator_extra_links = (InfraReportLink(),)
    ui_color = "#fce8e6"

    def __init__(
        self,
        *,
        model: Any,
        examples: Any,
        serving_spec: Mapping[str, Any],
        validation_spec: Mapping[str, Any] | None = None,
        request_spec: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.examples = examples
        self.serving_spec = serving_spec
        self.validation_spec = validation_spec
        self.request_spec = request_spec
        self.left_blessing: Blessing | None = None
        self._child = ChildProcess()

    def execute(self, context: Context) -> dict[str, Any]:
        """Validate."""
        with task_boundary():
            flags = {
                "model": upstream_record("model", self.model, Model),
                "examples": upstream_record("examples", self.examples, Examples),
                "serving_spec": json_object("serving_spec", self.serving_spec),
                "validation_spec": json_object("validation_spec", self.validation_spec),
                "request_spec": json_object("request_spec", self.request_spec),
            }
            record = run_component(self._child, "infra_validator", flags, context)
            blessing = signed(Blessing.from_json(record.to_json()))
            self.left_blessing = blessing
            tell_verdict(blessing, context)
            return blessing.to_json()

    def on_kill(self) -> None:
        """Kill the validator's process group, and the server with it."""
        self._child.kill()
