"""A server that was started on a model, and talking to it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from components.errors import ServerUnavailableError
from components.infra_validator.offline import OfflineProcess
from components.infra_validator.question import Question
from components.infra_validator.request_inputs import InputSpec, UnfitInputError, make_inputs
from components.infra_validator.server_fault import (
    ModelFault,
    UndecidedFault,
    quote_log,
    unreachable,
)
from components.infra_validator.settings import Settings
from components.model_server import ModelClient, RunningServer
from components.model_server.client import AnswerError, Deadline
from components.model_server.status import Code

Outputs = dict[str, np.ndarray[Any, Any]]
T = TypeVar("T")
_UNDECIDED_CODES = (Code.DEADLINE_EXCEEDED, Code.UNIMPLEMENTED)
"""A server that is too slow, or doesn't speak TensorFlow Serving's API, answers nobody so."""
_STATUS_SECONDS = 10.0
MAX_ASKING_SECONDS = 600.0
"""How long all questions together may take; each has a limit of its own."""


@dataclass(frozen=True)
class Trial:
    """A server that was started on a model, and what the model shall be asked."""

    server: RunningServer
    offline: OfflineProcess
    settings: Settings
    rows: Sequence[bytes]
    questions: Sequence[Question]
    memory_bytes: int | None = None
    """What the server may take."""


@dataclass
class Conversation:
    """Asks a model that is loaded.

    Every call raises `ModelFault` where the model is at fault, `ServerUnavailableError` where the
    infrastructure is.
    """

    trial: Trial
    client: ModelClient
    inputs: dict[str, Mapping[str, InputSpec]] = field(default_factory=dict)
    """Signature → its inputs; filled by the check that reads them."""

    def __post_init__(self) -> None:
        self._deadline = Deadline.after(MAX_ASKING_SECONDS)

    def call(
        self, check: str, what: str, ask: Callable[[Deadline], T], *, num_clients: int = 1
    ) -> T:
        """Ask for something, with a deadline.

        Args:
            check: the finding that fails if there is no answer.
            what: what was asked, for the message.
            ask: gets the deadline.
            num_clients: how many ask at once; each may take as many times longer.
        """
        if self._deadline.is_over:
            raise UndecidedFault(
                check, f"The model didn't answer all that it was asked within "
                f"{MAX_ASKING_SECONDS:g} s, the next was {what}; ask for fewer examples "
                f"(request_spec.num_examples).",
            )  # fmt: skip
        server = self.trial.server
        seconds = num_clients * self.trial.settings.max_request_seconds
        try:
            return ask(Deadline.after(min(seconds, self._deadline.left)))
        except ServerUnavailableError as error:
            raise self._not_answered(check, what, error) from error
        except AnswerError as error:
            kind = UndecidedFault if error.code in _UNDECIDED_CODES else ModelFault
            raise kind(
                check,
                f"Asked {what}, the server answered {error}{_hint(error)}"
                f"{quote_log(server.log_path)}",
            ) from error

    def _not_answered(self, check: str, what: str, error: ServerUnavailableError) -> Exception:
        """Tell a server that can't be reached from a model that answers so.

        A remote lookup in the graph that fails has the code of a broken connection.
        """
        fault = unreachable(check, error, self.trial.server)
        if not isinstance(fault, ServerUnavailableError):
            return fault
        try:
            self.client.status(Deadline.after(_STATUS_SECONDS))
        except (ServerUnavailableError, AnswerError):
            return fault
        return UndecidedFault(
            check,
            f"Asked {what}, the server answered UNAVAILABLE, though it tells its status: {error}"
            f"{quote_log(self.trial.server.log_path)}",
        )

    def ask(self, check: str, question: Question, *, num_clients: int = 1) -> Outputs:
        """Ask a question; see `call`."""
        name = question.signature_name
        inputs = self.inputs_of(question)
        return self.call(
            check,
            f"rows {question.start} to {question.stop - 1} to signature {name!r}",
            lambda deadline: self.client.predict(name, inputs, deadline),
            num_clients=num_clients,
        )

    def inputs_of(self, question: Question) -> Outputs:
        """Return what a question sends."""
        name = question.signature_name
        rows = self.trial.rows[question.start : question.stop]
        try:
            return make_inputs(self.inputs[name], rows)
        except UnfitInputError as error:
            raise unfit(name, self.inputs[name], error) from error


def unfit(name: str, specs: Mapping[str, InputSpec], error: UnfitInputError) -> ModelFault:
    """Return the fault of a signature that can't be asked about these examples."""
    shown = {alias: str(spec) for alias, spec in sorted(specs.items())}
    return ModelFault(
        "signature",
        f"The signature {name!r} doesn't take serialized examples, and its inputs {shown} can't be "
        f"filled from features of these names: {error}.",
    )


def _hint(error: AnswerError) -> str:
    if "Could not find variable" not in error.details:
        return ""
    return (
        " (the SavedModel lacks variables that its signature uses: a Keras 3 model written by "
        "tf.saved_model.save doesn't track them; write it by model.export(…))"
    )
