"""One loaded version of a model, asked as TensorFlow Serving would be.

Source of the order of checks and of the texts: `servables/tensorflow/predict_util.cc` and
`tensorflow/cc/saved_model/util.cc`.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from components.model_server.status import Code, RequestError, invalid
from components.model_server.tensor_codec import to_array
from components.saved_model.session import DEFAULT_SIGNATURE, SERVE_TAGS, ServingSession

Arrays = dict[str, np.ndarray[Any, Any]]
_METHOD_NAMES = tuple(f"tensorflow/serving/{name}" for name in ("predict", "classify", "regress"))
_log = logging.getLogger(__name__)


class Servable:
    """One version: its session and its signatures.

    Args:
        directory: the version's folder.
        number: the version.
        tags: the meta graph's tag set, exactly.
        checks_method_names: whether a signature must be of the method that asks for it.

    Raises:
        InvalidModelError: it can't be loaded.
    """

    def __init__(
        self,
        directory: Path,
        number: int,
        *,
        tags: Sequence[str] = SERVE_TAGS,
        checks_method_names: bool = False,
    ) -> None:
        self.directory = directory
        self.number = number
        self.checks_method_names = checks_method_names
        # Spinning threads would take the cores from the ones that read and write requests.
        self._session = ServingSession(directory, tags=tags, threads_spin=False)
        self.signature_defs: Mapping[str, Any] = self._session.meta_graph.signature_def

    def predict(
        self,
        signature_name: str,
        inputs: Mapping[str, Any],
        output_filter: Sequence[str] = (),
        *,
        timeout_seconds: float | None = None,
    ) -> Arrays:
        """Answer one Predict request.

        Args:
            signature_name: empty means ``serving_default``.
            inputs: alias → `TensorProto`, or an array of exactly the input's dtype.
            output_filter: which outputs; empty means all.
            timeout_seconds: bounds the session's run; None means no bound.

        Raises:
            RequestError: with TensorFlow Serving's code and text.
        """
        name = signature_name or DEFAULT_SIGNATURE
        if name not in self.signature_defs:
            raise RequestError(
                Code.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.'
            )
        signature = self.signature_defs[name]
        if self.checks_method_names:
            _check_method_name(signature)
        _check_sizes(signature, inputs)
        feeds = _read_inputs(signature, inputs)
        aliases = _wanted(signature, output_filter)
        fetches = [signature.outputs[alias].name for alias in aliases]
        answers = self.execute(feeds, fetches, timeout_seconds=timeout_seconds)
        return dict(zip(aliases, answers, strict=True))

    def execute(
        self,
        feeds: Arrays,
        fetches: Sequence[str],
        *,
        timeout_seconds: float | None = None,
    ) -> list[np.ndarray[Any, Any]]:
        """Run the graph once.

        Raises:
            RequestError: with the code and text of the operation that failed.
        """
        if timeout_seconds is not None and timeout_seconds <= 0:
            timeout_seconds = None
        try:
            return self._session.execute(feeds, fetches, timeout_seconds=timeout_seconds)
        except tf.errors.OpError as error:
            raise RequestError(Code(error.error_code), str(error.message)) from error

    def close(self) -> None:
        """Free the model."""
        self._session.close()


def _check_method_name(signature: Any) -> None:
    if signature.method_name not in _METHOD_NAMES:
        raise RequestError(
            Code.INTERNAL,
            "Expected prediction signature method_name to be one of "
            f"{{{', '.join(_METHOD_NAMES)}}}. Was: {signature.method_name}",
        )


def _check_sizes(signature: Any, inputs: Mapping[str, Any]) -> None:
    sent, needed = set(inputs), set(signature.inputs)
    if len(sent) > len(needed) or (len(sent) < len(needed) and not signature.defaults):
        raise invalid(
            f"input size does not match signature: {len(sent)}!={len(needed)} "
            f"len({_set(sent)}) != len({_set(needed)}). Sent extra: {_set(sent - needed)}. "
            f"Missing but required: {_set(needed - sent)}."
        )


def _read_inputs(signature: Any, inputs: Mapping[str, Any]) -> Arrays:
    feeds: Arrays = {}
    for alias in sorted(signature.inputs):
        feed = signature.inputs[alias].name
        proto = inputs[alias] if alias in inputs else signature.defaults.get(alias)
        if proto is None:
            raise invalid(
                f"Signature input alias: {alias}(feed name: {feed}) not found in request and no "
                "default value provided."
            )
        try:
            feeds[feed] = proto if isinstance(proto, np.ndarray) else to_array(proto)
        except ValueError as error:
            raise invalid(f"tensor parsing error: {alias}") from error
    if set(inputs) - set(signature.inputs):
        raise invalid("Inputs contains invalid name.")
    return feeds


def _wanted(signature: Any, output_filter: Sequence[str]) -> list[str]:
    seen: list[str] = []
    for alias in output_filter:
        if alias not in signature.outputs:
            raise invalid(
                f"output tensor alias not found in signature: {alias} Outputs expected to be in "
                f"the set {_set(signature.outputs)}."
            )
        if alias in seen:
            raise invalid(f"duplicate output tensor alias: {alias}")
        seen.append(alias)
    return seen or sorted(signature.outputs)


def _set(names: Any) -> str:
    return "{" + ",".join(sorted(names)) + "}"
