"""Holds the templates."""

from components.trainer import absent_module

__getattr__ = absent_module.attributes(__name__)
