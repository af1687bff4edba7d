"""Our light messages are TensorFlow Serving's on the wire."""

import pytest

from components.model_server import messages

MODULES = (
    {
        "Int64Value": ("google.protobuf.wrappers_pb2", "Int64Value"),
        "Any": ("google.protobuf.any_pb2", "Any"),
        "Dim": ("tensorflow.core.framework.tensor_shape_pb2", "TensorShapeProto.Dim"),
        "TensorShapeProto": ("tensorflow.core.framework.tensor_shape_pb2", "TensorShapeProto"),
        "TensorProto": ("tensorflow.core.framework.tensor_pb2", "TensorProto"),
        "TensorInfo": ("tensorflow.core.protobuf.meta_graph_pb2", "TensorInfo"),
        "SignatureDef": ("tensorflow.core.protobuf.meta_graph_pb2", "SignatureDef"),
        "SignatureDefMap": ("tensorflow_serving.apis.get_model_metadata_pb2", "SignatureDefMap"),
        "ModelSpec": ("tensorflow_serving.apis.model_pb2", "ModelSpec"),
        "PredictRequest": ("tensorflow_serving.apis.predict_pb2", "PredictRequest"),
        "PredictResponse": ("tensorflow_serving.apis.predict_pb2", "PredictResponse"),
        "PredictLog": ("tensorflow_serving.apis.prediction_log_pb2", "PredictLog"),
        "PredictionLog": ("tensorflow_serving.apis.prediction_log_pb2", "PredictionLog"),
        "StatusProto": ("tensorflow_serving.apis.status_pb2", "StatusProto"),
    }
    | {
        name: ("tensorflow_serving.apis.get_model_status_pb2", name)
        for name in ("GetModelStatusRequest", "ModelVersionStatus", "GetModelStatusResponse")
    }
    | {
        name: ("tensorflow_serving.apis.get_model_metadata_pb2", name)
        for name in ("GetModelMetadataRequest", "GetModelMetadataResponse")
    }
)


def original(name):
    import importlib

    module, path = MODULES[name]
    found = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found.DESCRIPTOR


def kind(field):
    """Repeated or not, and the type on the wire; an enumeration is a varint as an int32 is."""
    number = field.TYPE_INT32 if field.type == field.TYPE_ENUM else field.type
    return field.is_repeated, number


@pytest.mark.parametrize("name", messages.FIELDS)
def test_has_the_numbers_and_types_of_the_original(name):
    theirs = original(name).fields_by_name
    ours = messages._CLASSES[name].DESCRIPTOR.fields_by_name
    assert {key: (field.number, kind(field)) for key, field in ours.items()} == {
        key: (theirs[key].number, kind(theirs[key])) for key in ours
    }


def test_reads_what_the_original_writes():
    from tensorflow_serving.apis import predict_pb2

    theirs = predict_pb2.PredictRequest()
    theirs.model_spec.name = "m"
    theirs.model_spec.version.value = 3
    theirs.inputs["x"].float_val.extend([1.5, -2.0])
    ours = messages.PredictRequest.FromString(theirs.SerializeToString())
    assert ours.model_spec.version.value == 3
    assert list(ours.inputs["x"].float_val) == [1.5, -2.0]
