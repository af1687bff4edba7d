"""The shape of TFMA's `EvalConfig`, so that protobuf's own readers read a user's file.

TFMA itself can't be installed beside the rest, and its generated module comes with Beam. The
fields and their names are those of TFMA 0.52, ``tensorflow_model_analysis/proto/config.proto``;
only JSON and text are read, where field numbers don't occur. Ours alone, so that TFMA doesn't read
a file that has them: ``confidence`` of thresholds, and ``undecided``.
"""

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

_PACKAGE = "tensorflow_model_analysis"
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "string": _Field.TYPE_STRING,
    "bool": _Field.TYPE_BOOL,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "float": _Field.TYPE_FLOAT,
}
_ENUMS = {
    "MetricDirection": ("UNKNOWN", "LOWER_IS_BETTER", "HIGHER_IS_BETTER"),
    "ConfidenceIntervalMethod": (
        "UNKNOWN_CONFIDENCE_INTERVAL_METHOD",
        "POISSON_BOOTSTRAP",
        "JACKKNIFE",
    ),
    "UndecidedPolicy": ("FAIL", "JUDGE_VALUE"),
}
_MESSAGES = {
    "EvalConfig": "model_specs:ModelSpec* slicing_specs:SlicingSpec* "
    "cross_slicing_specs:CrossSlicingSpec* metrics_specs:MetricsSpec* options:Options",
    "ModelSpec": "name:string model_type:string signature_name:string "
    "preprocessing_function_names:string* label_key:string label_keys:string{} "
    "prediction_key:string prediction_keys:string{} example_weight_key:string "
    "example_weight_keys:string{} is_baseline:bool padding_options:PaddingOptions "
    "inference_batch_size:int32",
    "PaddingOptions": "label_int_padding:int64 label_float_padding:float "
    "prediction_int_padding:int64 prediction_float_padding:float",
    "SlicingSpec": "feature_keys:string* feature_values:string{} slice_keys_sql:string",
    "CrossSlicingSpec": "baseline_spec:SlicingSpec slicing_specs:SlicingSpec*",
    "MetricsSpec": "metrics:MetricConfig* model_names:string* output_names:string* "
    "output_weights:float{} binarize:BinarizationOptions aggregate:AggregationOptions "
    "example_weights:ExampleWeightOptions query_key:string thresholds:MetricThreshold{} "
    "per_slice_thresholds:PerSliceMetricThresholds{} "
    "cross_slice_thresholds:CrossSliceMetricThresholds{}",
    "MetricConfig": "class_name:string module:string config:string threshold:MetricThreshold "
    "per_slice_thresholds:PerSliceMetricThreshold* "
    "cross_slice_thresholds:CrossSliceMetricThreshold*",
    "BinarizationOptions": "class_ids:RepeatedInt32Value k_list:RepeatedInt32Value "
    "top_k_list:RepeatedInt32Value",
    "AggregationOptions": "micro_average:bool macro_average:bool weighted_macro_average:bool "
    "class_weights:float{int32} top_k_list:RepeatedInt32Value",
    "ExampleWeightOptions": "weighted:bool unweighted:bool",
    "MetricThreshold": "value_threshold:GenericValueThreshold "
    "change_threshold:GenericChangeThreshold",
    "GenericValueThreshold": "lower_bound:.DoubleValue upper_bound:.DoubleValue "
    "confidence:.DoubleValue",
    "GenericChangeThreshold": "absolute:.DoubleValue relative:.DoubleValue "
    "direction:MetricDirection confidence:.DoubleValue",
    "PerSliceMetricThreshold": "slicing_specs:SlicingSpec* threshold:MetricThreshold",
    "PerSliceMetricThresholds": "thresholds:PerSliceMetricThreshold*",
    "CrossSliceMetricThreshold": "cross_slicing_specs:CrossSlicingSpec* threshold:MetricThreshold",
    "CrossSliceMetricThresholds": "thresholds:CrossSliceMetricThreshold*",
    "Options": "include_default_metrics:.BoolValue compute_confidence_intervals:.BoolValue "
    "confidence_intervals:ConfidenceIntervalOptions min_slice_size:.Int32Value "
    "disabled_outputs:RepeatedStringValue",
    "ConfidenceIntervalOptions": "method:ConfidenceIntervalMethod undecided:UndecidedPolicy",
    "RepeatedStringValue": "values:string*",
    "RepeatedInt32Value": "values:int32*",
}
"""Message → ``field:type``; ``*`` repeats, ``{}`` is a map by text, ``.`` is a protobuf wrapper."""


@cache
def message_class() -> type[Any]:
    """Return the class of `EvalConfig` messages."""
    file = descriptor_pb2.FileDescriptorProto(
        name="imprimatur/eval_config.proto",
        package=_PACKAGE,
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    for name, values in _ENUMS.items():
        enum = file.enum_type.add(name=name)
        for number, value in enumerate(values):
            enum.value.add(name=value, number=number)
    for name, fields in _MESSAGES.items():
        _add_message(file.message_type.add(name=name), fields)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.EvalConfig"))


def _add_message(message: Any, fields: str) -> None:
    for number, field in enumerate(fields.split(), start=1):
        name, _, kind = field.partition(":")
        if kind.endswith("}"):
            value, _, key = kind[:-1].partition("{")
            kind = _add_map_entry(message, name, value, key or "string") + "*"
        _add_field(message, name, number, kind)


def _add_map_entry(message: Any, name: str, value: str, key: str) -> str:
    """Add what a map field repeats; its name is prescribed by protobuf."""
    entry_name = "".join(part.capitalize() for part in name.split("_")) + "Entry"
    entry = message.nested_type.add(name=entry_name)
    entry.options.map_entry = True
    _add_field(entry, "key", 1, key)
    _add_field(entry, "value", 2, value)
    return f"{message.name}.{entry_name}"


def _add_field(message: Any, name: str, number: int, kind: str) -> None:
    repeated = kind.endswith("*")
    kind = kind.removesuffix("*")
    field = message.field.add(
        name=name,
        number=number,
        label=_Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL,
    )
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
        return
    field.type = _Field.TYPE_ENUM if kind in _ENUMS else _Field.TYPE_MESSAGE
    package = ".google.protobuf" if kind.startswith(".") else f".{_PACKAGE}."
    field.type_name = package + kind
