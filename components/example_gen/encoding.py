"""Encodes Arrow record batches as serialized `tf.Example`s with tfx_bsl's C++ coder."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from components.errors import DataError
from components.example_gen.source import epoch_seconds, is_time

_CONTINUES = 0x80


class ExampleEncoder:
    """Encodes batches of one schema.

    Raises:
        DataError: a column of a type that has no place in a `tf.Example`.
    """

    def __init__(self, schema: pa.Schema) -> None:
        for field in schema:
            _feature_type(field.type, field.name)
        self._encoder = RecordBatchToExamplesEncoder()

    def encode(self, batch: pa.RecordBatch) -> list[bytes]:
        """Return one serialized example a row, its features always in the same order.

        tfx_bsl writes features in the order of a hash map that differs between processes; the
        examples' digest has to be the same wherever it is made.
        """
        columns = [
            _as_lists(column, field.name)
            for column, field in zip(batch.columns, batch.schema, strict=True)
        ]
        lists = pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
        return [_sort_features(example) for example in self._encoder.encode(lists)]


def _feature_type(kind: pa.DataType, name: str) -> pa.DataType:
    """Return int64, float32 or large_binary, as the module `components.example_gen` lists."""
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _feature_type(kind.value_type, name)
    if pa.types.is_dictionary(kind):
        return _feature_type(kind.value_type, name)
    choices: Sequence[tuple[bool, pa.DataType]] = (
        (pa.types.is_integer(kind) or pa.types.is_boolean(kind) or is_time(kind), pa.int64()),
        (pa.types.is_floating(kind) or pa.types.is_decimal(kind), pa.float32()),
        (_is_bytes(kind) or pa.types.is_null(kind), pa.large_binary()),
    )
    for fits, feature in choices:
        if fits:
            return feature
    raise DataError(
        f"the column {name!r} holds {kind}, which has no place in a tf.Example; leave it out "
        "with --features, or convert it to numbers, text, times or lists of them"
    )


def _is_bytes(kind: pa.DataType) -> bool:
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    return bool(text or binary or pa.types.is_fixed_size_binary(kind))


def _as_lists(column: pa.Array, name: str) -> pa.Array:
    """Return a column as lists, the form that the coder takes: none for null, else the values."""
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        lengths = pc.fill_null(pc.list_value_length(column), 0)
        values = column.flatten()
        if values.null_count:
            raise DataError(
                f"a list in the column {name!r} holds null; a feature's list can't: drop or fill it"
            )
    else:
        lengths = pc.cast(column.is_valid(), pa.int64())
        values = column.drop_null()
    offsets = np.concatenate([[0], np.cumsum(lengths.to_numpy(zero_copy_only=False))])
    return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), _as_values(values, name))


def _as_values(values: pa.Array, name: str) -> pa.Array:
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if is_time(values.type):
        return epoch_seconds(values)
    target = _feature_type(values.type, name)
    try:
        return values.cast(target, safe=pa.types.is_integer(values.type))
    except pa.ArrowInvalid as error:
        raise DataError(
            f"the column {name!r} holds a value that doesn't fit {target}: {error}"
        ) from error


def _sort_features(example: bytes) -> bytes:
    """Return the same message with its map entries in the order of their bytes.

    Wire format: field 1 of `Example` is `Features`, whose field 1 repeats: one entry a feature.
    """
    if not example:
        return example
    position = 1
    while example[position] & _CONTINUES:
        position += 1
    head = start = position + 1
    entries = []
    end = len(example)
    while start < end:
        position = start + 1
        length = example[position]
        shift = 7
        if length & _CONTINUES:
            length &= 0x7F
            while example[position] & _CONTINUES:
                position += 1
                length |= (example[position] & 0x7F) << shift
                shift += 7
        stop = position + 1 + length
        entries.append(example[start:stop])
        start = stop
    entries.sort()
    return example[:head] + b"".join(entries)
