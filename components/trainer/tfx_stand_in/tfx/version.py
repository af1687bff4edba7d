"""The version of TFX whose names these are."""

__version__ = "1.21.0"
