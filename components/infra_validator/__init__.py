"""Does a model load in a server, and answer there as it does here?

`validate` starts a server on the model's bytes, asks it real examples and compares the answers with
those that another process computes offline. Loads no TensorFlow: its children do.
"""

from components.infra_validator.validation import validate

__all__ = ["validate"]
