"""Airflow operators, one per component; imported when they are asked for.

``from operators import TrainerOperator`` loads that operator's module alone, and none of them
loads TensorFlow.
"""

import importlib
from typing import Any

_MODULES = {
    "EvaluatorOperator": "evaluator",
    "ExampleGenOperator": "example_gen",
    "InfraValidatorOperator": "infra_validator",
    "PusherOperator": "pusher",
    "ReportOperator": "report",
    "RollbackOperator": "rollback",
    "TrainerOperator": "trainer",
}
__all__ = [
    "EvaluatorOperator",
    "ExampleGenOperator",
    "InfraValidatorOperator",
    "PusherOperator",
    "ReportOperator",
    "RollbackOperator",
    "TrainerOperator",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
