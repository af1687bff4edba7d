"""How long to train and evaluate, and on what. Plain objects; TFX's are protobuf messages."""

from dataclasses import dataclass, field

from components.trainer import absent_module


@dataclass
class TrainArgs:
    """Arguments of training."""

    splits: list[str] = field(default_factory=list)
    num_steps: int = 0


@dataclass
class EvalArgs:
    """Arguments of evaluation while training."""

    splits: list[str] = field(default_factory=list)
    num_steps: int = 0


__getattr__ = absent_module.attributes(__name__)
