"""Of the language of pipelines, the file functions alone."""

from components.trainer import absent_module
from tfx.v1.dsl import io

__all__ = ["io"]
__getattr__ = absent_module.attributes(__name__)
