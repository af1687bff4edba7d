"""Our light messages are TensorFlow's on the wire."""

import importlib

import pytest

from components.saved_model import messages

FILES = {
    "google.protobuf.any_pb2": ["Any"],
    "tensorflow.core.protobuf.saved_model_pb2": ["SavedModel"],
    "tensorflow.core.protobuf.saver_pb2": ["SaverDef"],
    "tensorflow.core.protobuf.meta_graph_pb2": [
        "MetaGraphDef",
        "MetaGraphDef.MetaInfoDef",
        "CollectionDef",
        "CollectionDef.NodeList",
        "CollectionDef.AnyList",
        "SignatureDef",
        "TensorInfo",
        "TensorInfo.CooSparse",
        "TensorInfo.CompositeTensor",
        "AssetFileDef",
    ],
    "tensorflow.core.framework.graph_pb2": ["GraphDef"],
    "tensorflow.core.framework.node_def_pb2": ["NodeDef"],
    "tensorflow.core.framework.attr_value_pb2": [
        "AttrValue",
        "AttrValue.ListValue",
        "NameAttrList",
    ],
    "tensorflow.core.framework.tensor_pb2": ["TensorProto"],
    "tensorflow.core.framework.tensor_shape_pb2": ["TensorShapeProto", "TensorShapeProto.Dim"],
    "tensorflow.core.framework.function_pb2": ["FunctionDefLibrary", "GradientDef", "FunctionDef"],
    "tensorflow.core.framework.op_def_pb2": ["OpDef", "OpDef.ArgDef", "OpList"],
}
ORIGINALS = {path.split(".")[-1]: (module, path) for module in FILES for path in FILES[module]}


def original(name):
    module, path = ORIGINALS[name]
    found = importlib.import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    return found.DESCRIPTOR


def kind(field):
    """Repeated or not, and what is read: for a message, which; an enumeration as an int32."""
    message = field.message_type and field.message_type.name
    number = field.TYPE_INT32 if field.type == field.TYPE_ENUM else field.type
    return field.is_repeated, number, message


def test_every_message_is_compared():
    assert ORIGINALS.keys() == messages.FIELDS.keys()


@pytest.mark.parametrize("name", messages.FIELDS)
def test_has_the_numbers_and_types_of_the_original(name):
    theirs = original(name).fields_by_name
    ours = messages._CLASSES[name].DESCRIPTOR.fields_by_name
    assert {key: (field.number, kind(field)) for key, field in ours.items()} == {
        key: (theirs[key].number, kind(theirs[key])) for key in ours
    }
