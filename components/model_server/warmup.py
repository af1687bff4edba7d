"""Replays a model's warm-up requests when it is loaded.

Sources: `servables/tensorflow/saved_model_warmup.cc`, `saved_model_warmup_util.cc`: an uncompressed
TFRecord of `PredictionLog`s, at most 1,000; model name and version in them are ignored; any that
fails, fails the load.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from components.errors import DataError, InvalidModelError
from components.model_server.example_inference import classify, infer_many, regress
from components.model_server.servable import Servable
from components.model_server.status import Code, RequestError, invalid
from components.tfrecord import read_records

WARMUP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"
MAX_RECORDS = 1000
_log = logging.getLogger(__name__)


def warm_up(servable: Servable, *, num_iterations: int = 1) -> None:
    """Ask a version what its warm-up file holds, if it has one.

    Args:
        servable: the version.
        num_iterations: how often each request is asked.

    Raises:
        InvalidModelError: a file that can't be read, too many records, or one that fails; its
            cause is a `RequestError`.
    """
    path = servable.directory / WARMUP_FILE
    if not path.is_file():
        _log.info("No warmup data file found at %s", path)
        return
    _log.info("Starting to read warmup data for model at %s", path)
    try:
        count = _replay_all(servable, path, num_iterations)
    except RequestError as error:
        raise InvalidModelError(str(error)) from error
    _log.info(
        "Finished reading warmup data for model at %s. Number of warmup records read: %d",
        path,
        count,
    )


def _replay_all(servable: Servable, path: Path, num_iterations: int) -> int:
    count = 0
    try:
        for record in read_records(path, may_be_compressed=False):
            log = _parse(record, path)
            for _ in range(num_iterations):
                _replay(servable, log, f"warmup record {count + 1} of {path}")
            count += 1
            if count > MAX_RECORDS:
                raise invalid(
                    f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {path}"
                )
    except (DataError, OSError, OverflowError, MemoryError) as error:
        raise RequestError(
            Code.DATA_LOSS, f"{error}. Please verify your warmup data is in TFRecord format."
        ) from error
    return count


def _parse(record: bytes, path: Path) -> Any:
    try:
        return prediction_log_pb2.PredictionLog.FromString(record)
    except DecodeError as error:
        raise invalid(f"Failed to parse warmup record from {path}: {error}") from error


def _replay(servable: Servable, log: Any, where: str) -> None:
    kind = log.WhichOneof("log_type")
    if kind is None:
        return
    if kind not in _REPLAYS:
        raise RequestError(
            Code.UNIMPLEMENTED,
            f"Unsupported log_type for warmup: {kind.removesuffix('_log')}: {where}",
        )
    try:
        _REPLAYS[kind](servable, getattr(log, kind).request)
    except RequestError as error:
        raise RequestError(error.code, f"{where} failed: {error.message}") from error


def _predict(servable: Servable, request: Any) -> Any:
    return servable.predict(
        request.model_spec.signature_name, request.inputs, request.output_filter
    )


_REPLAYS: dict[str, Callable[[Servable, Any], Any]] = {
    "predict_log": _predict,
    "classify_log": classify,
    "regress_log": regress,
    "multi_inference_log": infer_many,
}
