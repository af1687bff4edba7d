"""TFX's public names."""

from components.trainer import absent_module
from tfx.v1 import components, dsl, proto, utils
from tfx.version import __version__

__all__ = ["__version__", "components", "dsl", "proto", "utils"]
__getattr__ = absent_module.attributes(__name__)
