"""Builds a known-good model: the lengths of texts, by way of a variable.

Run as ``python -m components.infra_validator.control_model_child DIRECTORY``; imports TensorFlow.
"""

import os
import sys
from collections.abc import Sequence
from typing import Any

from components.parent_death import die_with_announced_parent

SIGNATURE, INPUT, OUTPUT = "serving_default", "examples", "length"


def main(argv: Sequence[str]) -> int:
    """Build it.

    Args:
        argv: the directory to make.
    """
    die_with_announced_parent()
    os.environ["TF_USE_LEGACY_KERAS"] = "1"  # Keras 3 isn't loaded with TensorFlow: 20 % quicker
    import tensorflow as tf

    module = tf.Module()
    module.one = tf.Variable(1.0)

    def measure(examples: Any) -> dict[str, Any]:
        return {OUTPUT: module.one * tf.cast(tf.strings.length(examples), tf.float32)}

    spec = tf.TensorSpec([None], tf.string, name=INPUT)
    module.serve = tf.function(measure, input_signature=[spec])
    tf.saved_model.save(module, argv[0], signatures={SIGNATURE: module.serve})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
