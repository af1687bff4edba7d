"""The checks on a model that a server was started on, one finding each."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from components.errors import (
    ModelLoadError,
    PredictionError,
    ServerDiedError,
    ServerUnavailableError,
)
from components.infra_validator.comparison import TOLERANCE, compare, find_nan
from components.infra_validator.latency import check_latency
from components.infra_validator.offline import Answers
from components.infra_validator.request_inputs import (
    InputSpec,
    UnfitInputError,
    make_inputs,
    takes_examples,
    wrong_inputs,
)
from components.infra_validator.server_fault import (
    ModelFault,
    UndecidedFault,
    died,
    quote_log,
    unreachable,
)
from components.infra_validator.trial import Conversation, Trial, unfit
from components.model_server import ModelClient, wait_until_available
from components.model_server.client import AnswerError, Deadline
from components.model_server.tensor_codec import KINDS, strings, type_name
from components.records import Bound, Finding

_OFFLINE_EXTRA_SECONDS = 60.0
_NO_SUCH_INPUT = "imprimatur_no_such_input"
_KIND_NUMBERS = {kind.dtype: kind.number for kind in KINDS}


def check(trial: Trial) -> Iterator[Finding]:
    """Yield findings until all are made, or one fails that the later ones need.

    Raises:
        UndecidedFault: the checks ended where it can't be told from here whose fault it is.
        ServerUnavailableError: the infrastructure's fault.
    """
    try:
        finding, client = _load(trial)
        yield finding
        with client:
            yield from _Checks(Conversation(trial, client)).run()
    except UndecidedFault:
        raise
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
        kind = UndecidedFault if deadline.is_over else ModelFault
        raise kind("loads", f"{error}{quote_log(server.log_path)}") from error
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

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._trial = conversation.trial

    def run(self) -> Iterator[Finding]:
        yield self._check_signatures()
        served = self._ask_all()
        num_rows = len(self._trial.rows)
        self._check_rows(served)
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
        yield from check_latency(self._conversation)
        yield self._check_malformed(served[0])
        yield _check_memory(self._trial)

    def _check_signatures(self) -> Finding:
        conversation = self._conversation
        present = conversation.call(
            "signature", "the model's metadata", conversation.client.signatures
        )
        self._signatures: Mapping[str, Any] = present
        for name in self._trial.settings.signature_names:
            if name not in present:
                public = sorted(key for key in present if not key.startswith("__"))
                raise ModelFault(
                    "signature", f"The model has no signature {name!r}; it has {public}."
                )
            conversation.inputs[name] = self._read_inputs(name, present[name])
        names = ", ".join(map(repr, conversation.inputs))
        plain = [name for name, specs in conversation.inputs.items() if not takes_examples(specs)]
        how = f"; of {plain}, the inputs are filled from the features of the same names"
        return Finding(
            check="signature",
            passed=True,
            message=f"The signatures {names} are there and can be asked about examples"
            f"{how if plain else ''}.",
        )

    def _read_inputs(self, name: str, signature: Any) -> dict[str, InputSpec]:
        specs = {alias: InputSpec.of(info) for alias, info in signature.inputs.items()}
        try:
            make_inputs(specs, self._trial.rows)
        except UnfitInputError as error:
            raise unfit(name, specs, error) from error
        return specs

    def _ask_all(self) -> Answers:
        return [self._conversation.ask("answers", each) for each in self._trial.questions]

    def _check_rows(self, served: Answers) -> None:
        """Whether every row that was asked about is answered.

        An output whose declared first dimension is open may have other rows than were asked, such
        as the values of a ragged tensor, as long as another has as many; none may be empty.

        Raises:
            ModelFault: rows are missing.
        """
        for question, outputs in zip(self._trial.questions, served, strict=True):
            declared = self._signatures[question.signature_name].outputs
            open_ones = [alias for alias, info in declared.items() if _is_open(info)]
            rows = {
                alias: len(outputs[alias])
                for alias in sorted(open_ones)
                if alias in outputs and outputs[alias].ndim
            }
            if rows and (question.num_rows not in rows.values() or not all(rows.values())):
                raise ModelFault(
                    "answers",
                    f"Asked about the {question.num_rows} rows {question.start} to "
                    f"{question.stop - 1}, {question.signature_name!r} answers with "
                    f"{', '.join(f'{count} rows of {alias!r}' for alias, count in rows.items())}.",
                )

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
        wrong = wrong_inputs(self._conversation.inputs[name])
        for inputs in ({_NO_SUCH_INPUT: strings([b""])}, wrong):
            self._expect_error(check, name, inputs)
        problem = compare(self._conversation.ask(check, question), first, "at first").problem
        if problem:
            return Finding(
                check=check,
                passed=False,
                message="Asked its first question again after all others, malformed ones among "
                f"them, the server answers differently: {problem}. Its answers must not depend on "
                "what it was asked before.",
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
            self._conversation.client.predict(name, inputs, deadline)
        except ServerUnavailableError as error:
            raise unreachable(check, error, self._trial.server) from error
        except AnswerError:
            return
        raise ModelFault(
            check, f"A request with the inputs {sorted(inputs)}, wrong ones, got an answer."
        )


def _check_memory(trial: Trial) -> Finding:
    peak, limit = trial.server.peak_memory_bytes(), trial.memory_bytes
    allowed = "" if limit is None else f" (it was given {shown_bytes(limit)})"
    if peak is None:
        message = f"How much memory the server took can't be told{allowed}."
    else:
        message = f"The server took at most {shown_bytes(peak)} of memory{allowed}."
    return Finding(
        check="memory",
        passed=not trial.server.out_of_memory()
        and (peak is None or limit is None or peak <= limit),
        message=message,
        observed=None if peak is None else float(peak),
        bound=None if limit is None else Bound(upper=float(limit)),
    )


def shown_bytes(num_bytes: int) -> str:
    """Return an amount of memory for a message."""
    return f"{num_bytes / 2**30:.2f} GiB" if num_bytes >= 2**30 else f"{num_bytes / 2**20:.0f} MiB"


def _is_open(info: Any) -> bool:
    dims = info.tensor_shape.dim
    return bool(info.tensor_shape.unknown_rank or (dims and dims[0].size == -1))


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
