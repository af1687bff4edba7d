"""What the records of examples hold, by TFX's numbers."""

import enum

from components.trainer import absent_module


class PayloadFormat(enum.IntEnum):
    """The message in each record."""

    FORMAT_UNSPECIFIED = 0
    FORMAT_TF_EXAMPLE = 6
    FORMAT_TF_SEQUENCE_EXAMPLE = 7
    FORMAT_PROTO = 11
    FORMAT_PARQUET = 15


__getattr__ = absent_module.attributes(__name__)
