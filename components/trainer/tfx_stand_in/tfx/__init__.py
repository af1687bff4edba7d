"""A stand-in for TFX: what users' modules take from it, without pipelines or executors.

It is first on the Python path of the process that trains, where TFX itself isn't installed. Names
that it doesn't have import, and raise an error that says so when they are called.
"""

import absl.logging  # noqa: F401  # modules that import only absl count on it

from components.trainer import absent_module

STAND_IN = True
"""Tells this package from TFX."""

absent_module.install()
__getattr__ = absent_module.attributes(__name__)
