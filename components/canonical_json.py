"""RFC 8785 (JSON Canonicalization Scheme) of what our records hold: what is signed and hashed."""

from collections.abc import Mapping
from typing import Any

import rfc8785

_MAX_EXACT = 2**53 - 1


def dumps(value: Any) -> bytes:
    """Return JSON types as canonical JSON.

    RFC 8785 knows numbers as IEEE 754 doubles alone; a whole number beyond what they hold exactly
    is written as the text ``int:<decimal>``.

    Raises:
        ValueError: a number that isn't finite, or text that isn't Unicode.
    """
    return rfc8785.dumps(_exact(value))


def _exact(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _exact(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _MAX_EXACT:
        return f"int:{value}"
    return value
