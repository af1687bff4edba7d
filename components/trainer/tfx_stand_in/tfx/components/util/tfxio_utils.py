"""A reader of examples for the format that they have."""

from typing import Any

from components.trainer import absent_module
from tfx.proto.example_gen_pb2 import PayloadFormat


def make_tfxio(
    file_pattern: str | list[str],
    telemetry_descriptors: list[str],
    payload_format: int | str | None = None,
    data_view_uri: str | None = None,
    schema: Any = None,
    read_as_raw_records: bool = False,
    raw_record_column_name: str | None = None,
    file_format: Any = None,
) -> Any:
    """Return tfx_bsl's reader of TFRecord files.

    Args:
        file_pattern: one or several.
        telemetry_descriptors: names for tfx_bsl's metrics.
        payload_format: `PayloadFormat` by number or name; None is `tf.Example`.
        data_view_uri: can't be given.
        schema: a `tensorflow_metadata` schema; datasets need one.
        read_as_raw_records: give the records as strings, whatever they hold.
        raw_record_column_name: of the column with the records themselves.
        file_format: TFRecord files are read whatever is given.

    Raises:
        NotImplementedError: another format.
    """
    del file_format
    from tfx_bsl.tfxio import raw_tf_record, tf_example_record, tf_sequence_example_record

    given = {"file_pattern": file_pattern, "telemetry_descriptors": telemetry_descriptors}
    if read_as_raw_records:
        return raw_tf_record.RawTfRecordTFXIO(
            **given, raw_record_column_name=raw_record_column_name
        )
    payload = _payload_format(payload_format)
    readers = {
        PayloadFormat.FORMAT_TF_EXAMPLE: tf_example_record.TFExampleRecord,
        PayloadFormat.FORMAT_TF_SEQUENCE_EXAMPLE: (
            tf_sequence_example_record.TFSequenceExampleRecord
        ),
    }
    if data_view_uri is not None or payload not in readers:
        raise NotImplementedError(
            f"examples of format {payload.name} with data view {data_view_uri!r} can't be read; "
            "expected tf.Example or tf.SequenceExample without one"
        )
    return readers[payload](**given, schema=schema, raw_record_column_name=raw_record_column_name)


def _payload_format(given: int | str | None) -> PayloadFormat:
    if given is None:
        return PayloadFormat.FORMAT_TF_EXAMPLE
    return PayloadFormat[given] if isinstance(given, str) else PayloadFormat(given)


__getattr__ = absent_module.attributes(__name__)
