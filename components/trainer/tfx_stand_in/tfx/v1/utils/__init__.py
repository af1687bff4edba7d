"""Reading messages in text form."""

from components.trainer import absent_module
from tfx.utils.io_utils import parse_pbtxt_file
from tfx.utils.json_utils import JsonableType

__all__ = ["JsonableType", "parse_pbtxt_file"]
__getattr__ = absent_module.attributes(__name__)
