"""Operators are tested by `execute`, with a context that holds what they read of it."""

from tests.operators.fixtures import fake_components, installation

__all__ = ["fake_components", "installation"]
