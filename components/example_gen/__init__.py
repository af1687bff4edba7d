"""Turns tables into training examples: CSV and Parquet files into TFRecords of `tf.Example`s.

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
null                                          the feature is left out of that example
anything else (structs, maps, durations, …)   refused by name
============================================  =====================================================

A value that doesn't fit is an error, never another value. A split that gets no row while others do
is an error too: what trains or evaluates on it couldn't.

The same rows of the same types in the same order give the same bytes, however the files hold them,
wherever zlib is the same.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from components.example_gen.generation import generate
    from components.example_gen.interval import IntervalRequest, newest_window

__all__ = ["IntervalRequest", "generate", "newest_window"]


def __getattr__(name: str) -> Any:
    """Load what needs Arrow only when it is asked for: a command line's help needs none of it."""
    if name == "generate":
        from components.example_gen.generation import generate

        return generate
    if name in __all__:
        from components.example_gen import interval

        return getattr(interval, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
