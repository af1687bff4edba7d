"""TensorFlow Serving's gRPC services.

Sources: `model_servers/prediction_service_impl.cc`, `model_servers/model_service_impl.cc`,
`model_servers/grpc_status_util.cc`.
"""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import grpc
from tensorflow_serving.apis import (
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from components.model_server import example_inference
from components.model_server.catalog import Catalog
from components.model_server.settings import Limits
from components.model_server.status import Code, RequestError, invalid
from components.model_server.tensor_codec import fill

_MAX_ERROR_BYTES = 1024
_CUT = "...TRUNCATED"
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_log = logging.getLogger(__name__)


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):  # type: ignore[misc]
    """Predict, Classify, Regress, MultiInference and GetModelMetadata."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def Predict(self, request: Any, context: Any) -> Any:
        """Answer with every output, or with those of the filter."""
        return _answer(lambda: self._predict(request, context.time_remaining()), context)

    def GetModelMetadata(self, request: Any, context: Any) -> Any:
        """Answer with the signatures."""
        return _answer(lambda: self._catalog.metadata(request), context)

    def Classify(self, request: Any, context: Any) -> Any:
        """Answer with labels and scores for each example."""
        return _answer(lambda: self._infer(example_inference.classify, request, context), context)

    def Regress(self, request: Any, context: Any) -> Any:
        """Answer with one number for each example."""
        return _answer(lambda: self._infer(example_inference.regress, request, context), context)

    def MultiInference(self, request: Any, context: Any) -> Any:
        """Answer several classifications and regressions of the same examples."""
        return _answer(lambda: self._infer_many(request, context), context)

    def _predict(self, request: Any, timeout_seconds: float | None) -> Any:
        spec = _model_spec(request)
        response = predict_pb2.PredictResponse()
        with self._catalog.lease(spec) as servable:
            answers = servable.predict(
                spec.signature_name,
                request.inputs,
                request.output_filter,
                timeout_seconds=timeout_seconds,
            )
            example_inference.fill_model_spec(response.model_spec, spec, servable.number)
        for alias, array in answers.items():
            fill(response.outputs[alias], array)
        return response

    def _infer(self, infer: Callable[..., Any], request: Any, context: Any) -> Any:
        with self._catalog.lease(_model_spec(request)) as servable:
            return infer(servable, request, context.time_remaining())

    def _infer_many(self, request: Any, context: Any) -> Any:
        spec = request.tasks[0].model_spec if request.tasks else model_pb2.ModelSpec()
        with self._catalog.lease(spec) as servable:
            return example_inference.infer_many(servable, request, context.time_remaining())


class ModelService(model_service_pb2_grpc.ModelServiceServicer):  # type: ignore[misc]
    """GetModelStatus."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def GetModelStatus(self, request: Any, context: Any) -> Any:
        """Answer with every version that was tried, or with the one asked for."""
        return _answer(lambda: self._catalog.status(request), context)

    def HandleReloadConfigRequest(self, request: Any, context: Any) -> Any:
        """Not offered: this server serves the one model that its command line names."""
        message = (
            "HandleReloadConfigRequest is not offered by this server: it serves the one model that "
            "its command line names; start it anew, or another one"
        )
        _abort(context, RequestError(Code.UNIMPLEMENTED, message))


def start(
    catalog: Catalog,
    address: str,
    limits: Limits,
    channel_arguments: Sequence[tuple[str, int | str]] = (),
) -> tuple[Any, int]:
    """Start the gRPC server.

    A request that waits for a thread isn't read yet, so that the memory that requests take is
    bounded by the threads and the largest message.

    Args:
        catalog: what it serves.
        address: ``host:port``; port 0 lets the kernel choose.
        limits: what requests may cost.
        channel_arguments: gRPC's own; they go over what `limits` says.

    Returns:
        The server, and the port it has.

    Raises:
        OSError: the port is taken.
    """
    pool = ThreadPoolExecutor(limits.num_grpc_threads, thread_name_prefix="grpc")
    options = {
        "grpc.max_receive_message_length": limits.max_request_bytes,
        "grpc.max_send_message_length": -1,
        "grpc.so_reuseport": 0,
        **dict(channel_arguments),
    }
    server = grpc.server(
        pool,
        options=list(options.items()),
        maximum_concurrent_rpcs=limits.max_concurrent_requests,
    )
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


def _model_spec(request: Any) -> Any:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    return request.model_spec


def _answer(compute: Callable[[], Any], context: Any) -> Any:
    try:
        return compute()
    except RequestError as error:
        _abort(context, error)
    except Exception as error:
        _log.exception("a request failed in a way that has no code")
        _abort(context, RequestError(Code.INTERNAL, f"{type(error).__name__}: {error}"))


def _abort(context: Any, error: RequestError) -> NoReturn:
    context.abort(_CODES[int(error.code)], _cut(error.message))
    raise AssertionError("grpc's abort raises")


def _cut(message: str) -> str:
    data = message.encode()
    if len(data) <= _MAX_ERROR_BYTES:
        return message
    return data[: _MAX_ERROR_BYTES - len(_CUT)].decode(errors="ignore") + _CUT
