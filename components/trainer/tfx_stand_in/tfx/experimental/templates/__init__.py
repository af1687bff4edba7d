"""TFX's templates, of the checkout that the user's module lies in, if it lies in one."""

from components.trainer import absent_module

__path__ += absent_module.checkout_folders(__name__)
__getattr__ = absent_module.attributes(__name__)
