"""Which statistics a ``stats_options_updater_fn`` is asked about."""

import enum

from components.trainer import absent_module


class StatsType(enum.Enum):
    """Before or after the transform."""

    UNKNOWN = 0
    PRE_TRANSFORM = 1
    POST_TRANSFORM = 2


__getattr__ = absent_module.attributes(__name__)
