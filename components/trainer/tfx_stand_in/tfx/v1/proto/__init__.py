"""Messages of settings."""

from components.trainer import absent_module
from tfx.proto.example_gen_pb2 import PayloadFormat
from tfx.proto.trainer_pb2 import EvalArgs, TrainArgs

__all__ = ["EvalArgs", "PayloadFormat", "TrainArgs"]
__getattr__ = absent_module.attributes(__name__)
