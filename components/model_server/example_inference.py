"""Classify, Regress and MultiInference: what is asked with examples and answered in messages.

Sources of order and texts: `servables/tensorflow/{classifier,regressor,multi_inference}.cc`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from tensorflow_serving.apis import classification_pb2, inference_pb2, regression_pb2

from components.model_server import classifier, regressor
from components.model_server.example_input import serialized_examples
from components.model_server.servable import Servable
from components.model_server.status import Code, RequestError, invalid
from components.saved_model.session import DEFAULT_SIGNATURE

_TASKS = {classifier.METHOD_NAME: classifier, regressor.METHOD_NAME: regressor}


def classify(servable: Servable, request: Any, timeout_seconds: float | None = None) -> Any:
    """Answer a `ClassificationRequest`.

    Raises:
        RequestError: with TensorFlow Serving's code and text.
    """
    signature = _signature(servable, request.model_spec, classifier.METHOD_NAME, "classification")
    tensor_names = classifier.output_names(signature)
    answers = _run(servable, request.input, [signature], set(tensor_names), timeout_seconds)
    response = classification_pb2.ClassificationResponse()
    classifier.fill(response.result, signature, answers.arrays, answers.num_examples)
    fill_model_spec(response.model_spec, request.model_spec, servable.number)
    return response


def regress(servable: Servable, request: Any, timeout_seconds: float | None = None) -> Any:
    """Answer a `RegressionRequest`.

    Raises:
        RequestError: with TensorFlow Serving's code and text.
    """
    signature = _signature(servable, request.model_spec, regressor.METHOD_NAME, "regression")
    tensor_names = regressor.output_names(signature)
    answers = _run(servable, request.input, [signature], set(tensor_names), timeout_seconds)
    response = regression_pb2.RegressionResponse()
    regressor.fill(response.result, signature, answers.arrays, answers.num_examples)
    fill_model_spec(response.model_spec, request.model_spec, servable.number)
    return response


def infer_many(servable: Servable, request: Any, timeout_seconds: float | None = None) -> Any:
    """Answer a `MultiInferenceRequest`: all tasks with one run, results in their order.

    Raises:
        RequestError: with TensorFlow Serving's code and text.
    """
    signatures = _task_signatures(servable, request.tasks)
    fetches: set[str] = set()
    for task, signature in zip(request.tasks, signatures, strict=True):
        fetches.update(_TASKS[task.method_name].output_names(signature))
    answers = _run(servable, request.input, signatures, fetches, timeout_seconds)
    response = inference_pb2.MultiInferenceResponse()
    for task, signature in zip(request.tasks, signatures, strict=True):
        result = response.results.add()
        if task.method_name == classifier.METHOD_NAME:
            filled = result.classification_result
        else:
            filled = result.regression_result
        filled.SetInParent()
        _TASKS[task.method_name].fill(filled, signature, answers.arrays, answers.num_examples)
        fill_model_spec(result.model_spec, task.model_spec, servable.number)
    return response


def fill_model_spec(filled: Any, asked: Any, number: int) -> None:
    """Write what answered: the name that was asked, the version and the signature that it meant."""
    filled.name = asked.name
    filled.signature_name = asked.signature_name or DEFAULT_SIGNATURE
    filled.version.value = number


class _Answers:
    """What one run computed, by tensor name."""

    def __init__(self, arrays: Mapping[str, np.ndarray[Any, Any]], num_examples: int) -> None:
        self.arrays = arrays
        self.num_examples = num_examples


def _signature(servable: Servable, spec: Any, method_name: str, what: str) -> Any:
    name = spec.signature_name or DEFAULT_SIGNATURE
    signature = servable.signature_defs.get(name)
    if signature is None:
        raise invalid(f"No signature was found with the name: {name}")
    if servable.checks_method_names and signature.method_name != method_name:
        raise invalid(
            f"Expected {what} signature method_name to be {method_name}. "
            f"Was: {signature.method_name}"
        )
    return signature


def _task_signatures(servable: Servable, tasks: Any) -> list[Any]:
    found: dict[str, Any] = {}
    for task in tasks:
        spec = task.model_spec
        if not spec.name:
            raise invalid("Found ModelSpec with an empty model name.")
        if spec.name != tasks[0].model_spec.name:
            raise invalid(
                "All ModelSpecs in a MultiInferenceRequest must access the same model name."
            )
        name = spec.signature_name or DEFAULT_SIGNATURE
        if name in found:
            raise invalid(f"Duplicate evaluation of signature: {name}")
        if name not in servable.signature_defs:
            raise invalid(f"Requested signature not found in model graph: {name}")
        if task.method_name not in _TASKS:
            raise RequestError(
                Code.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method_name}"
            )
        found[name] = servable.signature_defs[name]
        _TASKS[task.method_name].output_names(found[name])
    return list(found.values())


def _run(
    servable: Servable,
    examples: Any,
    signatures: list[Any],
    fetches: set[str],
    timeout_seconds: float | None,
) -> _Answers:
    fed = serialized_examples(examples)
    feeds = {next(iter(signature.inputs.values())).name: fed for signature in signatures}
    names = sorted(fetches)
    arrays = servable.execute(feeds, names, timeout_seconds=timeout_seconds)
    return _Answers(dict(zip(names, arrays, strict=True)), len(fed))
