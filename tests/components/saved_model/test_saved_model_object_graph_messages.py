"""Our light messages of the object graph are TensorFlow's on the wire."""

import importlib

import pytest

from components.saved_model import messages, object_graph_messages, structured_value

FILES = {
    "tensorflow.core.protobuf.saved_object_graph_pb2": """
        SavedObjectGraph SavedObject SavedAsset SavedFunction FunctionSpec SavedConcreteFunction
        SavedVariable
    """,
    "tensorflow.core.protobuf.trackable_object_graph_pb2": """
        TrackableObjectGraph.TrackableObject.ObjectReference
        TrackableObjectGraph.TrackableObject.SlotVariableReference
    """,
    "tensorflow.core.protobuf.struct_pb2": """
        StructuredValue NoneValue ListValue TupleValue DictValue PairValue NamedTupleValue
        TensorSpecProto TypeSpecProto
    """,
    "tensorflow.core.protobuf.meta_graph_pb2": "MetaGraphDef MetaGraphDef.MetaInfoDef",
    "tensorflow.core.framework.function_pb2": "FunctionDef",
    "tensorflow.core.framework.op_def_pb2": "OpDef",
}
OURS = {"ListValue": "ListOfValues"}  # AttrValue has another message of that name
PAIRS = [
    (module, path, OURS.get(path.split(".")[-1], path.split(".")[-1]))
    for module, paths in FILES.items()
    for path in paths.split()
]


def kind(field):
    message = field.message_type and OURS.get(field.message_type.name, field.message_type.name)
    number = field.TYPE_INT32 if field.type == field.TYPE_ENUM else field.type
    has_presence = field.has_presence if field.type != field.TYPE_ENUM else False
    return field.number, field.is_repeated, number, message, has_presence


def test_every_message_is_compared():
    changed = {
        name
        for name, fields in object_graph_messages.FIELDS.items()
        if messages.FIELDS.get(name) != fields
    }
    assert {ours for _, _, ours in PAIRS} == changed


@pytest.mark.parametrize(("module", "path", "ours"), PAIRS)
def test_has_the_numbers_and_types_of_the_original(module, path, ours):
    theirs = importlib.import_module(module)
    for part in path.split("."):
        theirs = getattr(theirs, part)
    expected = theirs.DESCRIPTOR.fields_by_name
    found = object_graph_messages.CLASSES[ours].DESCRIPTOR.fields_by_name
    assert {key: kind(field) for key, field in found.items()} == {
        key: kind(expected[key]) for key in found
    }


def test_dtypes_have_tensorflows_numbers_and_sizes():
    import tensorflow as tf
    from tensorflow.core.framework import types_pb2

    for name, number in types_pb2.DataType.items():
        if name.endswith("_REF") or number == 0:
            continue
        dtype = tf.dtypes.as_dtype(number)
        assert structured_value.dtype_name(number) == dtype.name
        if num_bytes := structured_value.dtype_num_bytes(dtype.name):
            assert num_bytes == dtype.size, dtype
