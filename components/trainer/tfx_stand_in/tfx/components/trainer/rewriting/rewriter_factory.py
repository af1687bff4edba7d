"""Makes a rewriter by its class's name; users' classes are found too."""

import importlib
from collections.abc import Iterator
from typing import Any

from tfx.components.trainer.rewriting.rewriter import BaseRewriter

TFLITE_REWRITER = "TFLiteRewriter"
TFJS_REWRITER = "TFJSRewriter"
_MODULES = {
    TFLITE_REWRITER.lower(): "tfx.components.trainer.rewriting.tflite_rewriter",
    TFJS_REWRITER.lower(): "tfx.components.trainer.rewriting.tfjs_rewriter",
}


def create_rewriter(rewriter_type: str, *args: Any, **kwargs: Any) -> Any:
    """Return a new rewriter.

    Args:
        rewriter_type: the name of a class, in any case.
        args: of its constructor.
        kwargs: of its constructor.

    Raises:
        ValueError: no class has that name.
    """
    wanted = rewriter_type.lower()
    if wanted in _MODULES:
        importlib.import_module(_MODULES[wanted])
    known = {found.__name__.lower(): found for found in _subclasses(BaseRewriter)}
    if wanted not in known:
        raise ValueError(
            f"there is no rewriter {rewriter_type!r}; expected one of {sorted(known)}, or import "
            "the module that defines it first"
        )
    return known[wanted](*args, **kwargs)


def _subclasses(parent: type[Any]) -> Iterator[type[Any]]:
    for child in parent.__subclasses__():
        yield child
        yield from _subclasses(child)
