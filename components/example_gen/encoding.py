"""Encodes Arrow record batches as serialized `tf.Example`s with tfx_bsl's C++ coder."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from components.errors import DataError
from components.example_gen.feature_type import feature_type, is_list, is_time
from components.example_gen.moment import epoch_seconds

_CONTINUES = 0x80


class ExampleEncoder:
    """Encodes batches of one schema.

    Raises:
        DataError: a column of a type that has no place in a `tf.Example`.
    """

    def __init__(self, schema: pa.Schema) -> None:
        for field in schema:
            feature_type(field.type, field.name)

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
        coder = RecordBatchToExamplesEncoder()  # its own: nothing says that threads may share one
        return [_sort_features(example) for example in coder.encode(lists)]


def _as_lists(column: pa.Array, name: str) -> pa.Array:
    """Return a column as lists, the form that the coder takes: none for null, else the values."""
    if is_list(column.type):
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
        return epoch_seconds(values, name)
    target = feature_type(values.type, name)
    try:
        converted = values.cast(target, safe=pa.types.is_integer(values.type))
    except pa.ArrowInvalid as error:
        raise DataError(
            f"the column {name!r} holds a value that doesn't fit {target}: {error}"
        ) from error
    if target == pa.float32():
        _check_finite(values, converted, name)
    return converted


def _check_finite(values: pa.Array, converted: pa.Array, name: str) -> None:
    """Refuse what became infinite by losing bits; what was infinite before stays so."""
    infinite = converted.filter(pc.is_inf(converted))
    if not len(infinite):
        return
    before = values.filter(pc.is_inf(converted)).cast(pa.float64())
    beyond = before.filter(pc.is_finite(before))
    if len(beyond):
        raise DataError(
            f"the column {name!r} holds {beyond[0].as_py()!r}, which doesn't fit the 32 bits of a "
            "feature's float; scale the column, or leave it out with --features"
        )


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
