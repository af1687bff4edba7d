"""Operators are tested by `execute`, with a context that holds what they read of it."""

from tests.operators.fixtures import fake_components, installation
from tests.operators.inbox import inbox
from tests.operators.statsd_server import statsd

__all__ = ["fake_components", "inbox", "installation", "statsd"]
