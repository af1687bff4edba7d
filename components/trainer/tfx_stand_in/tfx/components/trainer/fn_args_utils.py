"""What ``run_fn`` gets."""

from components.trainer import absent_module
from components.trainer.fn_args import DataAccessor, FnArgs

__all__ = ["DataAccessor", "FnArgs"]
__getattr__ = absent_module.attributes(__name__)
