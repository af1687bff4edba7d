"""Is the model good enough, in every slice that matters, and not worse than the live one?

`evaluate` measures it on examples, compares it with the version that is live, and judges it by
TFMA's EvalConfig. `check_can_bless` says beforehand whether a configuration could ever let a model
through. `read_history` says what earlier runs found. Importing this loads no TensorFlow; `evaluate`
does.
"""

from typing import TYPE_CHECKING, Any

from components.evaluator.eval_config import check_can_bless, read_eval_config
from components.evaluator.model_history import Evaluation, History, read_history

if TYPE_CHECKING:
    from components.evaluator.evaluation import evaluate

__all__ = [
    "Evaluation",
    "History",
    "check_can_bless",
    "evaluate",
    "read_eval_config",
    "read_history",
]


def __getattr__(name: str) -> Any:
    if name == "evaluate":
        from components.evaluator.evaluation import evaluate

        return evaluate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
