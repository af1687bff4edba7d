"""Airflow operators, one per component; imported when they are asked for.

``from operators import TrainerOperator`` loads that operator's module alone, and none of them
loads TensorFlow.
"""

import importlib
from typing import Any

_MODULES = {
    "ArtifactCleanupOperator": "artifact_cleanup",
    "EvaluatorOperator": "evaluator",
    "ExampleGenOperator": "example_gen",
    "ExampleValidatorOperator": "example_validator",
    "InfraValidatorOperator": "infra_validator",
    "FreshnessOperator": "freshness",
    "HoldOperator": "serving_control",
    "ModelApprovalOperator": "approval",
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
    "TunerOperator": "tuner",
}
__all__ = [
    "ArtifactCleanupOperator",
    "EvaluatorOperator",
    "ExampleGenOperator",
    "ExampleValidatorOperator",
    "FreshnessOperator",
    "HoldOperator",
    "InfraValidatorOperator",
    "ModelApprovalOperator",
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
    "TunerOperator",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
