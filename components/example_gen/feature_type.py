"""Which feature a column becomes; the table stands in the package's docstring."""

import pyarrow as pa

from components.errors import DataError


def feature_type(kind: pa.DataType, name: str) -> pa.DataType:
    """Return int64, float32 or large_binary.

    Raises:
        DataError: a type that has no place in a `tf.Example`.
    """
    feature = _scalar_feature(kind.value_type if is_list(kind) else kind)
    if feature is None:
        raise DataError(
            f"the column {name!r} holds {kind}, which has no place in a tf.Example; leave it out "
            "with --features, or convert it to numbers, text, times or lists of them"
        )
    return feature


def _scalar_feature(kind: pa.DataType) -> pa.DataType | None:
    types = pa.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_integer(kind) or types.is_boolean(kind) or is_time(kind):
        return pa.int64()
    if types.is_floating(kind) or types.is_decimal(kind):
        return pa.float32()
    if is_text(kind) or is_bytes(kind) or types.is_null(kind):
        return pa.large_binary()
    return None


def same_meaning(one: pa.DataType, other: pa.DataType) -> bool:
    """Whether columns of these types give the same feature, so that files may differ in them.

    A column that is empty in one file, so that its type isn't known there, fits any.
    """
    if one == other or pa.types.is_null(one) or pa.types.is_null(other):
        return True
    if is_list(one) or is_list(other):
        return is_list(one) and is_list(other) and same_meaning(one.value_type, other.value_type)
    feature = _scalar_feature(one)
    return feature is not None and (feature, is_time(one)) == (
        _scalar_feature(other),
        is_time(other),
    )


def is_list(kind: pa.DataType) -> bool:
    """Whether values of a type are several values."""
    types = pa.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def is_time(kind: pa.DataType) -> bool:
    """Whether values of a type are moments."""
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def is_text(kind: pa.DataType) -> bool:
    """Whether values of a type are text, also where a dictionary holds them."""
    types = pa.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def is_bytes(kind: pa.DataType) -> bool:
    """Whether values of a type are bytes that needn't be text."""
    types = pa.types
    return bool(
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_binary_view(kind)
    )
