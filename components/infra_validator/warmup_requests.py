"""Adds warm-up requests to a copy of a model: what a server asks itself before it is available.

::

    target/                                      a copy of the model, file by file
      assets.extra/tf_serving_warmup_requests    uncompressed TFRecord of PredictionLog

Sources: `servables/tensorflow/saved_model_warmup.cc` (at most 1,000 records, any that fails fails
the load), `tensorflow_serving/apis/prediction_log.proto`.
"""

import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from components import artifacts
from components.errors import ConfigurationError
from components.model_server import messages
from components.model_server.tensor_codec import fill, strings
from components.tfrecord import write_records

WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"
MAX_RECORDS = 1000
"""TensorFlow Serving doesn't load a model that has more."""
NUM_REQUESTS = 100
_BATCH_SIZE = 32
_log = logging.getLogger(__name__)


def add_warmup(
    model: Path,
    target: Path,
    rows: Sequence[bytes],
    signature_names: Sequence[str],
    model_name: str,
    inputs: Mapping[str, str],
    *,
    num_requests: int = NUM_REQUESTS,
) -> None:
    """Copy a model and add requests made of real examples.

    Each signature gets one request with a batch of rows, then requests with one row each.

    Args:
        model: a SavedModel directory; not changed.
        target: where the copy goes; must not exist.
        rows: serialized examples; at least one.
        signature_names: which signatures to ask.
        model_name: stands in the requests; a server ignores it.
        inputs: signature → its input that takes serialized examples.
        num_requests: at most so many for all signatures together, 1 to 1,000.

    Raises:
        ConfigurationError: the model has warm-up requests already; or no row, no signature, or
            a number of requests that a server refuses.
        ArtifactError: the model holds what has no place in an artifact.
    """
    _check(model, rows, signature_names, num_requests)
    for path in artifacts.list_files(model):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(model / path, target / path)
    file = target / WARMUP_FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    logs = [
        _prediction_log(model_name, name, inputs[name], batch)
        for name in signature_names
        for batch in _batches(rows, num_requests // len(signature_names))
    ]
    write_records(file, logs)
    _log.warning(
        "the model gets %d warm-up requests, made of real examples: if those hold personal data, "
        "so does the model wherever it is copied to, in %s",
        len(logs),
        WARMUP_FILE,
    )


def _check(
    model: Path, rows: Sequence[bytes], signature_names: Sequence[str], num_requests: int
) -> None:
    if (model / WARMUP_FILE).exists():
        raise ConfigurationError(
            f"request_spec.make_warmup is set, but the model in {str(model)!r} has warm-up "
            f"requests already, in {WARMUP_FILE}; leave make_warmup out, or have the training "
            "write none"
        )
    if not rows or not signature_names:
        raise ConfigurationError(
            f"warm-up requests need examples and a signature; got {len(rows)} examples and the "
            f"signatures {list(signature_names)}"
        )
    if not len(signature_names) <= num_requests <= MAX_RECORDS:
        raise ConfigurationError(
            f"{num_requests} warm-up requests for {len(signature_names)} signatures; expected at "
            f"least one for each and at most {MAX_RECORDS}, more of which no server loads"
        )


def _batches(rows: Sequence[bytes], num_requests: int) -> Iterator[Sequence[bytes]]:
    yield rows[:_BATCH_SIZE]
    for row in rows[: num_requests - 1]:
        yield [row]


def _prediction_log(model_name: str, signature_name: str, alias: str, rows: Sequence[bytes]) -> Any:
    log = messages.PredictionLog()
    request = log.predict_log.request
    request.model_spec.name = model_name
    request.model_spec.signature_name = signature_name
    fill(request.inputs[alias], strings(list(rows)))
    return log.SerializeToString(deterministic=True)
