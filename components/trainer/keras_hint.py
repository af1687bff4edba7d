"""Says what to write instead, where Keras 3 refuses what Keras 2 did."""

import re
import sys

_OR_KERAS_2 = ", or train with keras=2"
_HINTS = (
    (
        r"has no attribute '(get_(?:output|input)(?:_shape|_mask)?_at)'",
        "Keras 3 has no {0}: cut a piece out of a model with components.saved_model.piece.piece("
        "model, outputs='name of a layer')" + _OR_KERAS_2,
    ),
    (
        r"File format not supported: filepath=(.+?)\. Keras 3 only supports",
        "Keras 3 loads no SavedModels: build on it with components.saved_model.reusable_layer."
        "ReusableLayer({0!r}, trainable=True)" + _OR_KERAS_2 + ", if Keras 2 wrote it",
    ),
    (
        r"A KerasTensor cannot be used as input to a TensorFlow function",
        "give Keras inputs to layers and keras.ops, not to operations of tf" + _OR_KERAS_2,
    ),
    (
        r"The filepath provided must end in `\.keras`",
        "a checkpoint of Keras 3 is a file: let its name end in .keras" + _OR_KERAS_2,
    ),
    (
        r"Only instances of `?keras\.Layer`? can be added to a Sequential model",
        "a layer of Keras 2, as hub.KerasLayer is, fits no model of Keras 3: use components."
        "saved_model.reusable_layer.ReusableLayer" + _OR_KERAS_2,
    ),
    (
        r"Argument\(s\) not recognized: \{'(lr|decay|clip\w+)'|"
        r"Unrecognized keyword arguments passed to \w+: \{'(\w+)'|"
        r"got an unexpected keyword argument '(workers|use_multiprocessing|max_queue_size)'",
        "Keras 3 has no argument {0}: leave it out" + _OR_KERAS_2,
    ),
    (
        r"(?:module|from) 'keras\S*?'.*?(?:attribute|name)? ?'?(\w*)'?",
        "if the module was written for Keras 2, train with keras=2",
    ),
)


def hint(error: BaseException) -> str | None:
    """Return what to do about an error of Keras 3; None where nothing is known of it."""
    keras = sys.modules.get("keras")
    if keras is None or not hasattr(keras, "Variable"):  # not there, or Keras 2
        return None
    text = " ".join(str(error).split())
    for pattern, advice in _HINTS:
        found = re.search(pattern, text)
        if found:
            return advice.format(*filter(None, found.groups()))
    return None
