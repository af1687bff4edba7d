"""The process that computes the answers that a server is compared with.

Run as ``python -m components.infra_validator.offline_child``: loads the same bytes, asks the same
questions through `ServingSession.run`, writes what came out. A directory holds everything::

    examples         TFRecord of serialized examples
    questions.json   [{"signature_name", "start", "stop"}, …]
    answers          TFRecord of PredictResponse, one per question
    outcome.json     {"error": null}, or {"error": what failed}; written last
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from components.errors import InvalidModelError, PredictionError
from components.infra_validator.question import Question
from components.infra_validator.request_inputs import InputSpec, UnfitInputError, make_inputs
from components.model_server import messages
from components.model_server.tensor_codec import fill
from components.parent_death import die_with_announced_parent
from components.tfrecord import read_records, write_records

EXAMPLES, QUESTIONS, ANSWERS, OUTCOME = "examples", "questions.json", "answers", "outcome.json"


def main(argv: Sequence[str]) -> int:
    """Answer the questions.

    Args:
        argv: the model's directory, the working directory, the seconds that one answer may take.
    """
    die_with_announced_parent()
    os.environ["TF_USE_LEGACY_KERAS"] = "1"  # Keras 3 isn't loaded with TensorFlow: 20 % quicker
    model, work, seconds = Path(argv[0]), Path(argv[1]), float(argv[2])
    error = None
    try:
        write_records(work / ANSWERS, _answers(model, work, seconds))
    except (InvalidModelError, PredictionError, UnfitInputError) as caught:
        error = str(caught)
    (work / OUTCOME).write_text(json.dumps({"error": error}), encoding="utf-8")
    return 0


def _answers(model: Path, work: Path, seconds: float) -> Iterator[bytes]:
    from components.saved_model.session import ServingSession

    rows = list(read_records(work / EXAMPLES))
    asked = json.loads((work / QUESTIONS).read_text(encoding="utf-8"))
    with ServingSession(model) as session:
        for question in (Question(**item) for item in asked):
            signature = session.signature(question.signature_name)
            specs = {alias: _spec(spec) for alias, spec in signature.inputs.items()}
            inputs = make_inputs(specs, rows[question.start : question.stop])
            outputs = session.run(question.signature_name, inputs, timeout_seconds=seconds)
            response = messages.PredictResponse()
            for alias, array in outputs.items():
                fill(response.outputs[alias], array)
            yield response.SerializeToString()


def _spec(spec: Any) -> InputSpec:
    dims = None if spec.shape is None else tuple(-1 if dim is None else dim for dim in spec.shape)
    return InputSpec(spec.dtype.as_datatype_enum, dims)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
