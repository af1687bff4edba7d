"""What ``run_fn`` and ``tuner_fn`` get and return; the components themselves aren't here."""

from components.trainer import absent_module
from tfx.components.trainer.fn_args_utils import DataAccessor, FnArgs
from tfx.components.tuner.component import TunerFnResult

__all__ = ["DataAccessor", "FnArgs", "TunerFnResult"]
__getattr__ = absent_module.attributes(__name__)
