"""Is this data what the model was made for?

`generate_statistics` looks at examples, `infer_schema` guesses what they shall be like, `validate`
says whether they are: a data blessing with reasons. All speak the `tensorflow_metadata` protos that
TFDV, Facets and tf.Transform read. TFDV itself isn't used: its packages need a newer C library than
Airflow's own image has.
"""

import importlib
from typing import Any

_MODULES = {
    "generate_statistics": "statistics_generation",
    "infer_schema": "schema_inference",
    "validate": "validation",
}
__all__ = ["generate_statistics", "infer_schema", "validate"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
