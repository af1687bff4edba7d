"""What ``tuner_fn`` returns."""

from typing import Any, NamedTuple

from components.trainer import absent_module


class TunerFnResult(NamedTuple):
    """A KerasTuner tuner, and the arguments of its ``search``."""

    tuner: Any
    fit_kwargs: dict[str, Any]


__getattr__ = absent_module.attributes(__name__)
