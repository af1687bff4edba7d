"""Replays a model's warm-up requests when it is loaded.

Source: `servables/tensorflow/saved_model_warmup.cc`: an uncompressed TFRecord of `PredictionLog`s,
at most 1,000; model name and version in them are ignored; any that fails, fails the load.
"""

import logging
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from components.errors import DataError, InvalidModelError
from components.model_server.servable import Servable
from components.model_server.status import Code, RequestError
from components.tfrecord import read_records

WARMUP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"
MAX_RECORDS = 1000
_log = logging.getLogger(__name__)


def warm_up(servable: Servable) -> None:
    """Ask a version what its warm-up file holds, if it has one.

    Raises:
        InvalidModelError: a file that can't be read, too many records, or one that fails.
    """
    path = servable.directory / WARMUP_FILE
    if not path.is_file():
        _log.info("No warmup data file found at %s", path)
        return
    _log.info("Starting to read warmup data for model at %s", path)
    count = 0
    try:
        for record in read_records(path):
            count += 1
            if count > MAX_RECORDS:
                raise InvalidModelError(
                    f"Number of warmup records exceeds the maximum ({MAX_RECORDS}) at {path}"
                )
            _replay(servable, _parse(record))
    except DataError as error:
        raise InvalidModelError(
            f"DATA_LOSS: {error}. Please verify your warmup data is in TFRecord format."
        ) from error
    except RequestError as error:
        raise InvalidModelError(f"warmup record {count} of {path} failed: {error}") from error
    _log.info("Finished reading warmup data for model at %s. Records: %d", path, count)


def _parse(record: bytes) -> Any:
    try:
        return prediction_log_pb2.PredictionLog.FromString(record)
    except DecodeError as error:
        raise RequestError(Code.INVALID_ARGUMENT, f"Failed to parse warmup record: {error}") from (
            error
        )


def _replay(servable: Servable, log: Any) -> None:
    kind = log.WhichOneof("log_type")
    if kind is None:
        return
    if kind != "predict_log":
        raise RequestError(
            Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind.removesuffix('_log')}"
        )
    request = log.predict_log.request
    servable.predict(request.model_spec.signature_name, request.inputs, request.output_filter)
