"""Encodes Arrow record batches as serialized `tf.Example`s with tfx_bsl's C++ coder."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from components.errors import DataError
from components.example_gen.feature_type import feature_type, is_list, is_time
from components.example_gen.moment import epoch_seconds

_CONTINUES = 0x80
_FIRST_FIELD = b"\n"
_BITS = {16: pa.int16(), 32: pa.int32(), 64: pa.int64()}


class ExampleEncoder:
    """Encodes batches of one schema.

    Raises:
        DataError: a column of a type that has no place in a `tf.Example`.
    """

    def __init__(self, schema: pa.Schema) -> None:
        for field in schema:
            feature_type(field.type, field.name)

    def encode(self, batch: pa.RecordBatch) -> list[bytes]:
        """Return one serialized example a row, its features in the order of their bytes.

        tfx_bsl writes features in the order of a hash map that differs between processes; the
        examples' digest has to be the same wherever it is made. So it encodes one column at a
        time, each different value once, and the features are joined here.

        Wire format: field 1 of `Example` is `Features`, whose field 1 repeats: one entry a feature.
        """
        columns = sorted(zip(batch.schema.names, batch.columns, strict=True))
        entries = [_encode_column(name, column) for name, column in columns]
        headers: dict[int, bytes] = {}
        examples = []
        for features in map(b"".join, map(sorted, zip(*entries, strict=True))):
            size = len(features)
            header = headers.get(size)
            if header is None:
                header = headers[size] = _FIRST_FIELD + _varint(size)
            examples.append(header + features)
        return examples


def _encode_column(name: str, column: pa.Array) -> list[bytes]:
    """Return the entry of `Features` that each row has for one column."""
    if is_list(column.type):
        single = _single_values(column)
        if single is None:
            return _encode_values(name, column)
        column = single
    kind = column.type
    if pa.types.is_floating(kind):  # by their bits: 0 and -0 differ
        column = column.view(_BITS[kind.bit_width])
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    values = column.dictionary
    if pa.types.is_floating(kind):
        values = values.view(kind)
    distinct = np.empty(len(values) + 1, object)
    distinct[:] = _encode_values(name, pa.concat_arrays([values, pa.nulls(1, values.type)]))
    found: list[bytes] = distinct[
        pc.fill_null(column.indices.cast(pa.int64()), len(values)).to_numpy(zero_copy_only=False)
    ].tolist()
    return found


def _single_values(column: pa.Array) -> pa.Array | None:
    """Return lists of one value or none as values and nulls; None if there are other lists."""
    values = column.flatten()
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    if values.null_count or lengths.max(initial=0) > 1:
        return None
    return values.take(pa.array(np.cumsum(lengths) - 1, pa.int64(), mask=lengths == 0))


def _encode_values(name: str, column: pa.Array) -> list[bytes]:
    lists = pa.RecordBatch.from_arrays([_as_lists(column, name)], names=[name])
    coder = RecordBatchToExamplesEncoder()  # its own: nothing says that threads may share one
    return [_features(example) for example in coder.encode(lists)]


def _features(example: bytes) -> bytes:
    """Return what an example's `Features` hold, without their tag and length."""
    position = 1
    while example[position] & _CONTINUES:
        position += 1
    return example[position + 1 :]


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number >= _CONTINUES:
        encoded.append(number & 0x7F | _CONTINUES)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


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
