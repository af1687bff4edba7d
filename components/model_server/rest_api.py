"""TensorFlow Serving's REST API, without the HTTP server around it.

Sources: `model_servers/http_rest_api_util.cc`, `model_servers/http_rest_api_handler.cc`. The path
is matched together with the query string, as there.
"""

import json
import logging
import re
import zlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from google.protobuf import json_format
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    regression_pb2,
)

from components.model_server.catalog import Catalog
from components.model_server.example_inference import classify, regress
from components.model_server.json_examples import fill_input
from components.model_server.json_request import parse_object, read_inputs, signature_name
from components.model_server.json_response import (
    write_classifications,
    write_error,
    write_predictions,
    write_regressions,
)
from components.model_server.status import RequestError, invalid
from components.saved_model.session import DEFAULT_SIGNATURE

_log = logging.getLogger(__name__)
_VERSION = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_PREDICTION = re.compile(
    rf"(?i)/v1/models/(?P<name>[^/:]+){_VERSION}:(?P<verb>classify|regress|predict)", re.ASCII
)
_DESCRIPTION = re.compile(
    rf"(?i)/v1/models(?:/(?P<name>[^/:]+))?{_VERSION}(?:/(?P<part>metadata))?", re.ASCII
)
_MAX_INT64 = (1 << 63) - 1
_MAX_INFLATED_BYTES = 100 << 20
_NOT_FOUND_PAGE = (
    b"<HTML><HEAD>\n<TITLE>404 Not Found</TITLE>\n"
    b"</HEAD><BODY>\n<H1>Not Found</H1>\n</BODY></HTML>\n"
)


@dataclass(frozen=True)
class Answer:
    """What goes back over HTTP."""

    status: int
    body: bytes
    content_type: str = "application/json"


class _EmptyError(Exception):
    """A 400 whose body is empty: TensorFlow Serving returns before it writes one."""


class RestApi:
    """Answers requests to ``/v1/…``.

    Args:
        catalog: what is served.
        timeout_seconds: bounds the session's run.
    """

    def __init__(self, catalog: Catalog, *, timeout_seconds: float | None = 30.0) -> None:
        self._catalog = catalog
        self._timeout_seconds = timeout_seconds

    def answer(
        self, method: str, target: str, body: bytes | bytearray, *, gzipped: bool = False
    ) -> Answer:
        """Answer one request.

        Args:
            method: ``GET``, ``POST``, …
            target: path and query, as they were sent.
            body: as it was sent.
            gzipped: whether the body must be inflated.
        """
        if not target.lower().startswith("/v1/"):
            return Answer(404, _NOT_FOUND_PAGE, "text/html")
        try:
            return Answer(200, self._dispatch(method, target, _inflate(body) if gzipped else body))
        except _EmptyError:
            return Answer(400, b"")
        except RequestError as error:
            return Answer(error.http_status, write_error(error.message))
        except RecursionError:
            return Answer(400, write_error("JSON Parse error: the document is nested too deep"))
        except Exception as error:
            _log.exception("a request failed in a way that has no code")
            return Answer(500, write_error(f"{type(error).__name__}: {error}"))

    def _dispatch(self, method: str, target: str, body: bytes | bytearray) -> bytes:
        pattern = {"POST": _PREDICTION, "GET": _DESCRIPTION}.get(method)
        match = pattern.fullmatch(target) if pattern else None
        if match is None:
            raise invalid(f"Malformed request: {method} {target}")
        spec = _read_spec(match)
        if method == "POST":
            return self._infer(match["verb"], spec, body, f"{method} {target}")
        if match["part"] == "metadata":
            return self._metadata(spec)
        if not spec.name:
            raise invalid("Missing model name in request.")
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=spec)
        return json.dumps(_to_json(self._catalog.status(request)), indent=1).encode()

    def _infer(self, verb: str, spec: Any, body: bytes | bytearray, line: str) -> bytes:
        if verb == "predict":
            return self._predict(spec, body)
        if verb == "classify":
            return self._classify(spec, body)
        if verb == "regress":
            return self._regress(spec, body)
        raise invalid(f"Malformed request: {line}")

    def _predict(self, spec: Any, body: bytes | bytearray) -> bytes:
        document = parse_object(body)
        name = signature_name(document)
        with self._catalog.lease(spec) as servable:
            definition = servable.signature_defs.get(name or DEFAULT_SIGNATURE)
            if definition is None:
                raise invalid(
                    f'Serving signature name: "{name or DEFAULT_SIGNATURE}" not found in '
                    "signature def"
                )
            types = {alias: info.dtype for alias, info in definition.inputs.items()}
            inputs, form = read_inputs(document, types, name)
            outputs = servable.predict(name, inputs, timeout_seconds=self._timeout_seconds)
        return write_predictions(outputs, form)

    def _classify(self, spec: Any, body: bytes | bytearray) -> bytes:
        request = classification_pb2.ClassificationRequest(model_spec=spec)
        _fill_examples(request, body)
        with self._catalog.lease(request.model_spec) as servable:
            response = classify(servable, request, self._timeout_seconds)
        return write_classifications(response.result)

    def _regress(self, spec: Any, body: bytes | bytearray) -> bytes:
        request = regression_pb2.RegressionRequest(model_spec=spec)
        _fill_examples(request, body)
        with self._catalog.lease(request.model_spec) as servable:
            response = regress(servable, request, self._timeout_seconds)
        return write_regressions(response.result)

    def _metadata(self, spec: Any) -> bytes:
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=spec, metadata_field=["signature_def"]
        )
        response = self._catalog.metadata(request)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        response.metadata["signature_def"].Unpack(signatures)
        text = {
            "model_spec": {"name": "", "signature_name": "", **_to_json(response.model_spec)},
            "metadata": {"signature_def": _to_json(signatures)},
        }
        return json.dumps(text, indent=1).encode()


def _fill_examples(request: Any, body: bytes | bytearray) -> None:
    document = parse_object(body)
    request.model_spec.signature_name = signature_name(document)
    fill_input(request.input, document)


def _read_spec(match: re.Match[str]) -> Any:
    spec = model_pb2.ModelSpec(name=unquote(match["name"] or ""))
    if match["version"]:
        if int(match["version"]) > _MAX_INT64:
            raise _EmptyError
        spec.version.value = int(match["version"])
    if match["label"]:
        spec.version_label = unquote(match["label"])
    return spec


def _to_json(message: Any) -> dict[str, Any]:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _inflate(body: bytes | bytearray) -> bytes:
    """Return the body without its compression; what can't be inflated reads as empty."""
    try:
        decoder = zlib.decompressobj(wbits=31)
        inflated = decoder.decompress(body, _MAX_INFLATED_BYTES)
    except zlib.error:
        return b""
    return inflated if decoder.eof else b""
