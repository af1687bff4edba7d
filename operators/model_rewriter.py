"""ModelRewriter: the trained model in another format, if it answers as the original does."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from airflow.sdk import BaseOperator, Context

from components import records
from components.records import Blessing, Examples, Model, Refusal
from operators._component_task import (
    run_component,
    skip_refused,
    task_boundary,
    upstream_record,
)
from operators._process import ChildProcess
from operators._signing import signed, signing_key

BLESSING_KEY = "infra_blessing"
"""XCom key of the blessing for the rewritten bytes."""


class ModelRewriterOperator(BaseOperator):
    """Rewrite a SavedModel to TFLite, and compare its answers to real examples.

    The infra blessing for the rewritten bytes is pushed to XCom under ``infra_blessing``; give it
    to a `PusherOperator` with ``required_kinds=["infra"]``. Where a blessing of the original speaks
    against it, the `Refusal` goes to XCom under ``refusal`` and the task is skipped.

    Args:
        model: a `Model` record, the output of `TrainerOperator`. (templated)
        examples: an `Examples` record, to compare the answers on. (templated)
        blessings: `Blessing` records of the original, for instance the evaluator's output; each
            must be positive, and signed where there is a key. (templated)
        quantization: ``none``, ``dynamic``, ``float16`` or ``int8``. (templated)
        signature_name: of the SavedModel; see `components.saved_model.rewrite`. (templated)
        tolerance: of the answers, as a part of each output's range. (templated)

    Returns the `Model` record of the rewritten model.
    """

    template_fields: Sequence[str] = (
        "model",
        "examples",
        "blessings",
        "quantization",
        "signature_name",
        "tolerance",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = dict.fromkeys(
        ("model", "examples", "blessings"), "json"
    )
    ui_color = "#e6f4ea"

    def __init__(
        self,
        *,
        model: Any,
        examples: Any,
        blessings: Sequence[Any] = (),
        quantization: str = "none",
        signature_name: str | None = None,
        tolerance: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.examples = examples
        self.blessings = blessings
        self.quantization = quantization
        self.signature_name = signature_name
        self.tolerance = tolerance
        self._child = ChildProcess()

    def execute(self, context: Context) -> dict[str, Any]:
        """Rewrite, or skip with the reasons."""
        with task_boundary():
            model = upstream_record("model", self.model, Model)
            blessings = [upstream_record("blessings", one, Blessing) for one in self.blessings]
            self._skip_unblessed(model, blessings, context)
            flags = {
                "model": model,
                "blessing": blessings,
                "examples": upstream_record("examples", self.examples, Examples),
                "quantization": self.quantization,
                "signature_name": self.signature_name,
                "tolerance": self.tolerance,
            }
            record = run_component(self._child, "saved_model", flags, context, verb="rewrite")
            if isinstance(record, Refusal):
                skip_refused(record, context)
            rewritten = Model.from_json(record.to_json())
            blessing = records.load(Path(rewritten.uri).parent / f"{BLESSING_KEY}.json")
            value = signed(Blessing.from_json(blessing.to_json())).to_json()
            context["ti"].xcom_push(key=BLESSING_KEY, value=value)
            return rewritten.to_json()

    def _skip_unblessed(
        self, model: Model, blessings: Sequence[Blessing], context: Context
    ) -> None:
        """Judge here too: the signing key isn't for a process that runs a model."""
        from components.saved_model.original_verdict import refuse_unblessed

        refused = refuse_unblessed(model, blessings, signing_key())
        if refused is not None:
            skip_refused(refused, context)

    def on_kill(self) -> None:
        """Kill the rewriting's process group."""
        self._child.kill()
