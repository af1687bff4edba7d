"""Airflow operators, one per component; imported when they are asked for.

``from operators import TrainerOperator`` loads that operator's module alone, and none of them
loads TensorFlow.
"""

import importlib
from typing import Any

_MODULES = {
    "EvaluatorOperator": "evaluator",
    "ExampleGenOperator": "example_gen",
    "ExampleValidatorOperator": "example_validator",
    "InfraValidatorOperator": "infra_validator",
    "HoldOperator": "serving_control",
    "ModelRewriterOperator": "model_rewriter",
    "PinOperator": "serving_control",
    "PusherOperator": "pusher",
    "ReleaseOperator": "serving_control",
    "ReportOperator": "report",
    "ResumeOperator": "serving_control",
    "RollbackOperator": "rollback",
    "SchemaGenOperator": "schema_gen",
    "ServingLintOperator": "serving_control",
    "ServingStatusOperator": "serving_control",
    "StatisticsGenOperator": "statistics_gen",
    "TrainerOperator": "trainer",
    "TransformOperator": "transform",
}
__all__ = [
    "EvaluatorOperator",
    "ExampleGenOperator",
    "ExampleValidatorOperator",
    "HoldOperator",
    "InfraValidatorOperator",
    "ModelRewriterOperator",
    "PinOperator",
    "PusherOperator",
    "ReleaseOperator",
    "ReportOperator",
    "ResumeOperator",
    "RollbackOperator",
    "SchemaGenOperator",
    "ServingLintOperator",
    "ServingStatusOperator",
    "StatisticsGenOperator",
    "TrainerOperator",
    "TransformOperator",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
