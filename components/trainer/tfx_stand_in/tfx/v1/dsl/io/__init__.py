"""File functions."""

from tfx.v1.dsl.io import fileio

__all__ = ["fileio"]
