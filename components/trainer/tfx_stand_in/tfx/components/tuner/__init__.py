"""As in TFX, as far as users' modules need it."""

from components.trainer import absent_module

__getattr__ = absent_module.attributes(__name__)
