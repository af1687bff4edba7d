"""Turns tables into training examples: rows of files or queries into TFRecords of `tf.Example`s.

How a column becomes a feature:

============================================  =====================================================
column (Arrow type)                           feature
============================================  =====================================================
integers, booleans                            ``int64_list``
floats, decimals                              ``float_list``: 32 bits
text, binary, dictionaries of them            ``bytes_list``; text as UTF-8
timestamps, dates                             ``int64_list``: whole seconds since 1970 UTC, rounded
                                              down
lists of the above, also of fixed size        all values of the list
null                                          the feature has no value in that example
anything else (structs, maps, durations, …)   refused by name
============================================  =====================================================

Which types a source has: Parquet's stand in the file. CSV's and JSON Lines' are those of the first
4 MiB of each file; codes that look like numbers (``01234``, ``1E5``) are numbers then, and whole
numbers beyond 64 bits floats. In CSV null is what is empty, or one of ``NA``, ``N/A``, ``#N/A``,
``NaN``, ``nan``, ``NULL``, ``null`` and their like, also among texts and in quotes. TFRecords have
int64, 32-bit floats and bytes, and their time column holds seconds since 1970 or text. A query's
are those of its first values, decimals being floats. Timestamps with a zone are moments; without
one they are UTC. Of files of one source all or none must say their zone.

A value that doesn't fit is an error, never another value. A split that gets no row while others do
is an error too: what trains or evaluates on it couldn't.

The same rows of the same types in the same order give the same bytes, however the files hold them,
wherever zlib is the same.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from components.example_gen.batch_writer import OutputFormat
    from components.example_gen.generation import generate
    from components.example_gen.interval import IntervalRequest, newest_window
    from components.example_gen.listing import FileSource
    from components.example_gen.query import Query
    from components.example_gen.span_pattern import SpanRange

DATABASE_URL_VARIABLE = "IMPRIMATUR_DATABASE_URL"
"""Environment variable with the URL of a query's database: a password has no place among flags."""
_HOMES = {
    "FileSource": "listing",
    "IntervalRequest": "interval",
    "OutputFormat": "batch_writer",
    "Query": "query",
    "SpanRange": "span_pattern",
    "generate": "generation",
    "newest_window": "interval",
}
__all__ = [
    "DATABASE_URL_VARIABLE",
    "FileSource",
    "IntervalRequest",
    "OutputFormat",
    "Query",
    "SpanRange",
    "generate",
    "newest_window",
]


def __getattr__(name: str) -> Any:
    """Load what needs Arrow only when it is asked for: a command line's help needs none of it."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
