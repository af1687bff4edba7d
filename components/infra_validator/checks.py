"""The checks on a model that a server was started on, one finding each."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.errors import (
    ModelLoadError,
    PredictionError,
    ServerDiedError,
    ServerUnavailableError,
)
from components.infra_validator.comparison import TOLERANCE, compare, find_nan
from components.infra_validator.offline import Answers, OfflineProcess
from components.infra_validator.question import Question
from components.infra_validator.server_fault import ModelFault, died, quote_log, unreachable
from components.infra_validator.settings import Settings
from components.model_server import ModelClient, RunningServer, wait_until_available
from components.model_server.client import AnswerError, Deadline
from components.model_server.tensor_codec import KINDS, STRING, strings, type_name
from components.records import Bound, Finding

_OFFLINE_EXTRA_SECONDS = 60.0
_NO_SUCH_INPUT = "imprimatur_no_such_input"
_KIND_NUMBERS = {kind.dtype: kind.number for kind in KINDS}


@dataclass(frozen=True)
class Trial:
    """A server that was started on a model, and what the model shall be asked."""

    server: RunningServer
    offline: OfflineProcess
    settings: Settings
    rows: Sequence[bytes]
    questions: Sequence[Question]


def check(trial: Trial) -> Iterator[Finding]:
    """Yield findings until all are made, or one fails that the later ones need.

    Raises:
        ServerUnavailableError: the infrastructure's fault.
    """
    try:
        finding, client = _load(trial)
        yield finding
        with client:
            yield from _Checks(trial, client).run()
    except ModelFault as fault:
        yield fault.finding


def _load(trial: Trial) -> tuple[Finding, ModelClient]:
    settings, server = trial.settings, trial.server
    deadline = Deadline.after(settings.max_loading_time_seconds)
    begin = time.monotonic()
    try:
        client = wait_until_available(server, settings.model_name, deadline)
    except ServerDiedError as error:
        raise died("loads", error, server) from error
    except ModelLoadError as error:
        raise ModelFault("loads", f"{error}{quote_log(server.log_path)}") from error
    seconds = time.monotonic() - begin
    limit = settings.max_loading_time_seconds
    finding = Finding(
        check="loads",
        passed=True,
        message=f"The server answered for the model after {seconds:.1f} s (limit {limit:g} s).",
        observed=round(seconds, 3),
        bound=Bound(upper=float(limit)),
    )
    return finding, client


class _Checks:
    """What can be checked once the model is loaded."""

    def __init__(self, trial: Trial, client: ModelClient) -> None:
        self._trial = trial
        self._client = client
        self._inputs: dict[str, str] = {}

    def run(self) -> Iterator[Finding]:
        yield self._check_signatures()
        served = self._ask_all()
        num_rows = len(self._trial.rows)
        yield Finding(
            check="answers",
            passed=True,
            message=f"The server answered {num_rows} of {num_rows} examples in "
            f"{len(served)} requests.",
            observed=float(num_rows),
            bound=Bound(lower=float(num_rows)),
        )
        yield self._check_declared(served)
        yield self._check_nan(served)
        yield self._check_same(served, self._offline_answers())
        yield self._check_malformed(served[0])

    def _check_signatures(self) -> Finding:
        present = self._call("signature", lambda deadline: self._client.signatures(deadline))
        self._signatures: Mapping[str, Any] = present
        for name in self._trial.settings.signature_names:
            if name not in present:
                public = sorted(key for key in present if not key.startswith("__"))
                raise ModelFault(
                    "signature", f"The model has no signature {name!r}; it has {public}."
                )
            self._inputs[name] = _examples_input(name, present[name])
        names = ", ".join(map(repr, self._inputs))
        return Finding(
            check="signature",
            passed=True,
            message=f"The signatures {names} are there and take serialized examples.",
        )

    def _ask_all(self) -> Answers:
        return [self._ask("answers", question) for question in self._trial.questions]

    def _ask(self, check: str, question: Question) -> dict[str, np.ndarray[Any, Any]]:
        rows = strings(list(self._trial.rows[question.start : question.stop]))
        name = question.signature_name
        answer: dict[str, np.ndarray[Any, Any]] = self._call(
            check,
            lambda deadline: self._client.predict(name, {self._inputs[name]: rows}, deadline),
            f"rows {question.start} to {question.stop - 1} to signature {name!r}",
        )
        return answer

    def _call(self, check: str, call: Any, what: str = "the model's metadata") -> Any:
        server = self._trial.server
        try:
            return call(Deadline.after(self._trial.settings.max_request_seconds))
        except ServerUnavailableError as error:
            raise unreachable(check, error, server) from error
        except AnswerError as error:
            raise ModelFault(
                check,
                f"Asked {what}, the server answered {error}{_hint(error)}"
                f"{quote_log(server.log_path)}",
            ) from error

    def _check_declared(self, served: Answers) -> Finding:
        for question, outputs in zip(self._trial.questions, served, strict=True):
            declared = self._signatures[question.signature_name].outputs
            for alias, info in declared.items():
                problem = _undeclared(outputs.get(alias), info)
                if problem:
                    return Finding(
                        check="declared_outputs",
                        passed=False,
                        message=f"Output {alias!r} of {question.signature_name!r} {problem}.",
                    )
        return Finding(
            check="declared_outputs",
            passed=True,
            message="All outputs have the types and shapes that the signatures declare.",
        )

    def _check_nan(self, served: Answers) -> Finding:
        for question, outputs in zip(self._trial.questions, served, strict=True):
            for alias, count in find_nan(outputs):
                return Finding(
                    check="no_nan",
                    passed=False,
                    message=f"Output {alias!r} of {question.signature_name!r} is NaN in {count} "
                    f"of {outputs[alias].size} values, for rows {question.start} to "
                    f"{question.stop - 1}.",
                )
        return Finding(check="no_nan", passed=True, message="No answer is NaN.")

    def _offline_answers(self) -> Answers:
        seconds = self._trial.settings.max_loading_time_seconds + _OFFLINE_EXTRA_SECONDS
        try:
            return self._trial.offline.answers(Deadline.after(seconds))
        except PredictionError as error:
            raise ModelFault(
                "same_answers", f"Without a server the model doesn't answer: {error}"
            ) from error

    def _check_same(self, served: Answers, offline: Answers) -> Finding:
        largest = 0.0
        for question, ours, theirs in zip(self._trial.questions, served, offline, strict=True):
            result = compare(ours, theirs)
            largest = max(largest, result.largest_difference)
            if result.problem is not None:
                return Finding(
                    check="same_answers",
                    passed=False,
                    message=f"For rows {question.start} to {question.stop - 1} to "
                    f"{question.signature_name!r}, {result.problem}.",
                    observed=largest,
                )
        return Finding(
            check="same_answers",
            passed=True,
            message="Every output of every row is what is computed offline (largest difference "
            f"{largest:.2g}, tolerance {TOLERANCE}).",
            observed=largest,
        )

    def _check_malformed(self, first: Mapping[str, np.ndarray[Any, Any]]) -> Finding:
        check = "malformed_requests"
        question = self._trial.questions[0]
        name = question.signature_name
        for inputs in (
            {_NO_SUCH_INPUT: strings([b""])},
            {self._inputs[name]: np.zeros(1, np.float32)},
        ):
            self._expect_error(check, name, inputs)
        problem = compare(self._ask(check, question), first).problem
        if problem:
            return Finding(
                check=check,
                passed=False,
                message=f"After malformed requests the server answers differently: {problem}.",
            )
        return Finding(
            check=check,
            passed=True,
            message="Malformed requests are answered with errors, and the server lives on.",
        )

    def _expect_error(
        self, check: str, name: str, inputs: Mapping[str, np.ndarray[Any, Any]]
    ) -> None:
        deadline = Deadline.after(self._trial.settings.max_request_seconds)
        try:
            self._client.predict(name, inputs, deadline)
        except ServerUnavailableError as error:
            raise unreachable(check, error, self._trial.server) from error
        except AnswerError:
            return
        raise ModelFault(
            check, f"A request with the inputs {sorted(inputs)}, wrong ones, got an answer."
        )


def _hint(error: AnswerError) -> str:
    if "Could not find variable" not in error.details:
        return ""
    return (
        " (the SavedModel lacks variables that its signature uses: a Keras 3 model written by "
        "tf.saved_model.save doesn't track them; write it by model.export(…))"
    )


def _examples_input(name: str, signature: Any) -> str:
    inputs = dict(signature.inputs)
    if len(inputs) == 1:
        ((alias, info),) = inputs.items()
        shape = info.tensor_shape
        if info.dtype == STRING and (shape.unknown_rank or len(shape.dim) == 1):
            return str(alias)
    shown = {alias: type_name(info.dtype) for alias, info in sorted(inputs.items())}
    raise ModelFault(
        "signature",
        f"The signature {name!r} doesn't take serialized examples: it has the inputs {shown}, "
        "expected one vector of strings.",
    )


def _undeclared(array: np.ndarray[Any, Any] | None, info: Any) -> str | None:
    if array is None:
        return "is declared and missing in the answer"
    number = _KIND_NUMBERS.get(array.dtype)
    if number != info.dtype:
        return f"is {array.dtype}, declared is {type_name(info.dtype)}"
    if info.tensor_shape.unknown_rank:
        return None
    dims = [dim.size for dim in info.tensor_shape.dim]
    fits = len(dims) == array.ndim and all(
        declared in (-1, size) for declared, size in zip(dims, array.shape, strict=True)
    )
    return None if fits else f"has the shape {list(array.shape)}, declared is {dims}"
