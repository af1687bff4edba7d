"""Asks a model server over gRPC; works for ours and for TensorFlow Serving.

Imports no TensorFlow. Every call is given the time that is left until the caller's deadline.
"""

import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc
import numpy as np

from components.errors import (
    ModelLoadError,
    PredictionError,
    ServerDiedError,
    ServerUnavailableError,
)
from components.model_server import messages
from components.model_server.runner import Endpoints, RunningServer
from components.model_server.status import Code
from components.model_server.tensor_codec import fill, to_array

_UNLIMITED_MESSAGES = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),
]
_AVAILABLE, _END = 30, 50
_MAX_STATUS_SECONDS = 5.0
_PAUSE_SECONDS = 0.1
_DEATH_SECONDS = 1.0


@dataclass(frozen=True)
class Deadline:
    """A point on the monotonic clock that several calls share."""

    seconds: float
    """How long it was when it was set, for messages."""
    at: float

    @classmethod
    def after(cls, seconds: float) -> Self:
        """Return the deadline that many seconds from now."""
        return cls(seconds, time.monotonic() + seconds)

    @property
    def left(self) -> float:
        """The seconds that are left; 0 when there are none."""
        return max(0.0, self.at - time.monotonic())

    @property
    def is_over(self) -> bool:
        """Whether no time is left."""
        return self.left == 0.0


class AnswerError(PredictionError):
    """A request that was answered with an error.

    Args:
        code: gRPC's status.
        details: the server's text.
    """

    def __init__(self, code: Code, details: str) -> None:
        super().__init__(f"{code.name}: {details}")
        self.code = code
        self.details = details


@dataclass(frozen=True)
class VersionState:
    """One line of a model's status."""

    version: int
    is_available: bool
    has_ended: bool
    error_message: str


class ModelClient:
    """Asks one model of one server.

    Args:
        endpoints: where the server is.
        model_name: which of its models.
    """

    def __init__(self, endpoints: Endpoints, model_name: str) -> None:
        self.endpoints = endpoints
        self.model_name = model_name
        self._channel = grpc.insecure_channel(endpoints.grpc_target, options=_UNLIMITED_MESSAGES)

    def status(self, deadline: Deadline) -> list[VersionState]:
        """Return the versions that the server knows of, newest first.

        Raises:
            ServerUnavailableError: the server can't be reached.
            AnswerError: it answered with an error: NOT_FOUND where it has no version yet.
        """
        request = messages.GetModelStatusRequest()
        request.model_spec.name = self.model_name
        response = self._call(
            "ModelService/GetModelStatus", request, messages.GetModelStatusResponse, deadline
        )
        return [
            VersionState(
                version=item.version,
                is_available=item.state == _AVAILABLE,
                has_ended=item.state == _END,
                error_message=item.status.error_message,
            )
            for item in response.model_version_status
        ]

    def signatures(self, deadline: Deadline) -> Mapping[str, Any]:
        """Return the model's `SignatureDef`s by name, as the server describes them.

        Raises:
            ServerUnavailableError, AnswerError: as `status`.
        """
        request = messages.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name = self.model_name
        response = self._call(
            "PredictionService/GetModelMetadata",
            request,
            messages.GetModelMetadataResponse,
            deadline,
        )
        packed = response.metadata["signature_def"].value
        signatures: Mapping[str, Any] = messages.SignatureDefMap.FromString(packed).signature_def
        return signatures

    def predict(
        self, signature_name: str, inputs: Mapping[str, np.ndarray[Any, Any]], deadline: Deadline
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Ask once.

        Args:
            signature_name: which signature.
            inputs: alias → array; object arrays hold byte strings.
            deadline: when to give up.

        Raises:
            ServerUnavailableError: the server can't be reached, or no more.
            AnswerError: it answered with an error; DEADLINE_EXCEEDED where it didn't in time.
        """
        request = messages.PredictRequest()
        request.model_spec.name = self.model_name
        request.model_spec.signature_name = signature_name
        for alias, array in inputs.items():
            fill(request.inputs[alias], array)
        response = self._call(
            "PredictionService/Predict", request, messages.PredictResponse, deadline
        )
        return read_outputs(response)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _call(self, method: str, request: Any, response: Any, deadline: Deadline) -> Any:
        call: Callable[..., Any] = self._channel.unary_unary(
            f"/tensorflow.serving.{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=response.FromString,
        )
        if deadline.is_over:
            raise AnswerError(Code.DEADLINE_EXCEEDED, f"no time is left of {deadline.seconds:g} s")
        try:
            return call(request, timeout=deadline.left)
        except grpc.RpcError as error:
            code = Code(error.code().value[0])
            if code is Code.UNAVAILABLE:
                raise ServerUnavailableError(
                    f"the model server at {self.endpoints.grpc_target} can't be reached: "
                    f"{error.details()}"
                ) from error
            raise AnswerError(code, str(error.details())) from error


def read_outputs(response: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Return the arrays of a `PredictResponse`.

    Raises:
        AnswerError: a tensor that can't be read.
    """
    try:
        return {alias: to_array(proto) for alias, proto in sorted(response.outputs.items())}
    except ValueError as error:
        raise AnswerError(Code.DATA_LOSS, f"the answer can't be read: {error}") from error


def wait_until_available(server: RunningServer, model_name: str, deadline: Deadline) -> ModelClient:
    """Wait until a server that was just started answers for the model.

    A server that has loaded nothing yet has its ports shut, so that nobody answering means
    waiting, until its process ends or the deadline comes.

    Returns:
        A client, which the caller closes.

    Raises:
        ServerDiedError: its process ended.
        ModelLoadError: it says that the model can't be loaded, or the deadline came.
    """
    endpoints = None
    while endpoints is None:
        _check_alive(server)
        if deadline.is_over:
            raise _too_late(deadline, "it has opened no port yet")
        endpoints = server.endpoints(min(deadline.left, _MAX_STATUS_SECONDS))
        if endpoints is None:
            server.wait(min(deadline.left, _PAUSE_SECONDS))
    client = ModelClient(endpoints, model_name)
    try:
        _poll_status(client, server, deadline)
    except BaseException:
        client.close()
        raise
    return client


def _poll_status(client: ModelClient, server: RunningServer, deadline: Deadline) -> None:
    seen = "nobody answers at its port"
    while not deadline.is_over:
        _check_alive(server)
        try:
            states = client.status(Deadline.after(min(deadline.left, _MAX_STATUS_SECONDS)))
        except ServerUnavailableError as error:
            seen = str(error)
        except AnswerError as error:
            seen = f"it answers {error}"
        else:
            if any(state.is_available for state in states):
                return
            if states and all(state.has_ended for state in states):
                raise ModelLoadError(f"the server can't load the model: {states[0].error_message}")
            seen = "it is still loading"
        server.wait(min(deadline.left, _PAUSE_SECONDS))
    raise _too_late(deadline, seen)


def check_alive_after(error: ServerUnavailableError, server: RunningServer) -> None:
    """Tell a server that died from one that can't be reached, after a call failed.

    Raises:
        ServerDiedError: its process ended.
    """
    server.wait(_DEATH_SECONDS)
    try:
        _check_alive(server)
    except ServerDiedError as died:
        raise died from error


def _check_alive(server: RunningServer) -> None:
    code = server.exit_code()
    if code is not None:
        raise ServerDiedError(f"the model server {describe_exit(code)}", code)


def describe_exit(code: int) -> str:
    """Return how a process ended, in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


def _too_late(deadline: Deadline, seen: str) -> ModelLoadError:
    return ModelLoadError(
        f"the server didn't answer for the model within {deadline.seconds:g} s: {seen}"
    )
