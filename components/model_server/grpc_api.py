"""TensorFlow Serving's gRPC services.

Sources: `model_servers/prediction_service_impl.cc`, `model_servers/model_service_impl.cc`,
`model_servers/grpc_status_util.cc`.
"""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import grpc
from tensorflow_serving.apis import (
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from components.model_server.catalog import Catalog
from components.model_server.status import Code, RequestError, invalid
from components.model_server.tensor_codec import fill
from components.saved_model.session import DEFAULT_SIGNATURE

_UNLIMITED_MESSAGES = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]
_MAX_ERROR_BYTES = 1024
_CUT = "...TRUNCATED"
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_log = logging.getLogger(__name__)


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):  # type: ignore[misc]
    """Predict and GetModelMetadata."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def Predict(self, request: Any, context: Any) -> Any:
        """Answer with every output, or with those of the filter."""
        return _answer(lambda: self._predict(request, context.time_remaining()), context)

    def GetModelMetadata(self, request: Any, context: Any) -> Any:
        """Answer with the signatures."""
        return _answer(lambda: self._catalog.metadata(request), context)

    def Classify(self, request: Any, context: Any) -> Any:
        """Not offered: a model that takes examples is asked by Predict."""
        _abort(context, _unimplemented("Classify"))

    def Regress(self, request: Any, context: Any) -> Any:
        """Not offered: a model that takes examples is asked by Predict."""
        _abort(context, _unimplemented("Regress"))

    def MultiInference(self, request: Any, context: Any) -> Any:
        """Not offered: a model that takes examples is asked by Predict."""
        _abort(context, _unimplemented("MultiInference"))

    def _predict(self, request: Any, timeout_seconds: float | None) -> Any:
        if not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        spec = request.model_spec
        response = predict_pb2.PredictResponse()
        with self._catalog.lease(spec) as servable:
            answers = servable.predict(
                spec.signature_name,
                request.inputs,
                request.output_filter,
                timeout_seconds=timeout_seconds,
            )
            response.model_spec.version.value = servable.number
        response.model_spec.name = spec.name
        response.model_spec.signature_name = spec.signature_name or DEFAULT_SIGNATURE
        for alias, array in answers.items():
            fill(response.outputs[alias], array)
        return response


class ModelService(model_service_pb2_grpc.ModelServiceServicer):  # type: ignore[misc]
    """GetModelStatus."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def GetModelStatus(self, request: Any, context: Any) -> Any:
        """Answer with every version that was tried, or with the one asked for."""
        return _answer(lambda: self._catalog.status(request), context)

    def HandleReloadConfigRequest(self, request: Any, context: Any) -> Any:
        """Not offered: this server serves the one model that its command line names."""
        _abort(context, _unimplemented("HandleReloadConfigRequest"))


def start(catalog: Catalog, address: str, num_threads: int) -> tuple[Any, int]:
    """Start the gRPC server.

    Args:
        catalog: what it serves.
        address: ``host:port``; port 0 lets the kernel choose.
        num_threads: how many requests run at once; more wait.

    Returns:
        The server, and the port it has.

    Raises:
        OSError: the port is taken.
    """
    pool = ThreadPoolExecutor(num_threads, thread_name_prefix="grpc")
    server = grpc.server(pool, options=[*_UNLIMITED_MESSAGES, ("grpc.so_reuseport", 0)])
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionService(catalog), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(catalog), server)
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"Failed to BuildAndStart gRPC server: {error}") from error
    server.start()
    return server, port


def _answer(compute: Callable[[], Any], context: Any) -> Any:
    try:
        return compute()
    except RequestError as error:
        _abort(context, error)


def _abort(context: Any, error: RequestError) -> NoReturn:
    context.abort(_CODES[int(error.code)], _cut(error.message))
    raise AssertionError("grpc's abort raises")


def _cut(message: str) -> str:
    data = message.encode()
    if len(data) <= _MAX_ERROR_BYTES:
        return message
    return data[: _MAX_ERROR_BYTES - len(_CUT)].decode(errors="ignore") + _CUT


def _unimplemented(method: str) -> RequestError:
    return RequestError(Code.UNIMPLEMENTED, f"{method} is not offered by this server; use Predict")
