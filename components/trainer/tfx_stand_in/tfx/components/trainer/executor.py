"""Older names of the trainer's parts."""

from components.trainer import absent_module
from components.trainer.fn_args import FnArgs

TrainerFnArgs = FnArgs
GenericExecutor = absent_module.placeholder(f"{__name__}.GenericExecutor")
__getattr__ = absent_module.attributes(__name__)
