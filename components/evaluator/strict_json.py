"""Reads JSON that says each thing once: of a key that repeats, one value would be lost unseen."""

import json
from collections import Counter
from typing import Any

from components.errors import ConfigurationError


def loads(text: str, title: str) -> Any:
    """Return the value.

    Args:
        text: JSON.
        title: how messages call it.

    Raises:
        ConfigurationError: it isn't JSON, or an object has a key more than once.
    """

    def make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        repeated = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
        if repeated:
            raise ConfigurationError(
                f"{title} has an object with {', '.join(map(repr, repeated))} more than once, of "
                "which only one would count; put both into one, or take one out"
            )
        return dict(pairs)

    try:
        return json.loads(text, object_pairs_hook=make_object)
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"{title} isn't JSON: {error}") from error
