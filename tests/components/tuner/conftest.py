"""Modules with a ``tuner_fn``, and examples as the trainer's tests have them."""

from tests.components.trainer.conftest import examples, write_module

__all__ = ["examples", "write_module"]
