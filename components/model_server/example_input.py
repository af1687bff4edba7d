"""The `Input` of Classify, Regress and MultiInference: the examples that a model is fed.

Source: `InputToSerializedExampleTensor` in `servables/tensorflow/util.cc`.
"""

from typing import Any

import numpy as np

from components.model_server.status import invalid
from components.model_server.tensor_codec import strings


def serialized_examples(message: Any) -> np.ndarray[Any, Any]:
    """Return the serialized examples, shape ``(num_examples,)``, dtype object.

    A context stands before each example's bytes: read as one message they merge, and where both
    have a feature the example's counts.

    Args:
        message: an `Input`.

    Raises:
        RequestError: it holds no example.
    """
    kind = message.WhichOneof("kind")
    chosen = getattr(message, kind) if kind else None
    if chosen is None or not chosen.examples:
        raise invalid("Input is empty.")
    context = b""
    if kind == "example_list_with_context":
        context = chosen.context.SerializeToString()
    return strings([context + example.SerializeToString() for example in chosen.examples])
