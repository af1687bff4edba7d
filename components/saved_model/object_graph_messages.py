"""A SavedModel's messages with its object graph, read without importing TensorFlow.

Sources: those of `components.saved_model.messages`, and `tensorflow/core/protobuf/
{saved_object_graph,trackable_object_graph,struct}.proto`.
"""

from components.proto_messages import build
from components.saved_model import messages

FIELDS: dict[str, dict[str, tuple[int, str]]] = {
    **messages.FIELDS,
    "MetaGraphDef": {
        **messages.FIELDS["MetaGraphDef"],
        "object_graph_def": (7, "SavedObjectGraph"),
    },
    "MetaInfoDef": {**messages.FIELDS["MetaInfoDef"], "tensorflow_version": (5, "string")},
    "FunctionDef": {**messages.FIELDS["FunctionDef"], "ret": (4, "{}string")},
    "OpDef": {**messages.FIELDS["OpDef"], "output_arg": (3, "[]ArgDef")},
    "SavedObjectGraph": {
        "nodes": (1, "[]SavedObject"),
        "concrete_functions": (2, "{}SavedConcreteFunction"),
    },
    "SavedObject": {
        "children": (1, "[]ObjectReference"),
        "slot_variables": (3, "[]SlotVariableReference"),
        "asset": (5, "SavedAsset"),
        "function": (6, "SavedFunction"),
        "variable": (7, "SavedVariable"),
    },
    "ObjectReference": {"node_id": (1, "int32"), "local_name": (2, "string")},
    "SlotVariableReference": {"slot_name": (2, "string"), "slot_variable_node_id": (3, "int32")},
    "SavedAsset": {"asset_file_def_index": (1, "int32")},
    "SavedFunction": {
        "concrete_functions": (1, "[]string"),
        "function_spec": (2, "FunctionSpec"),
    },
    "FunctionSpec": {"fullargspec": (1, "StructuredValue")},
    "SavedConcreteFunction": {
        "bound_inputs": (2, "[]int32"),
        "canonicalized_input_signature": (3, "StructuredValue"),
        "output_signature": (4, "StructuredValue"),
    },
    "SavedVariable": {
        "dtype": (1, "int32"),
        "shape": (2, "TensorShapeProto"),
        "trainable": (3, "bool"),
        "name": (6, "string"),
    },
    "StructuredValue": {
        "none_value": (1, "NoneValue"),
        "float64_value": (11, "?double"),
        "int64_value": (12, "?sint64"),
        "string_value": (13, "?string"),
        "bool_value": (14, "?bool"),
        "tensor_spec_value": (33, "TensorSpecProto"),
        "type_spec_value": (34, "TypeSpecProto"),
        "list_value": (51, "ListOfValues"),
        "tuple_value": (52, "TupleValue"),
        "dict_value": (53, "DictValue"),
        "named_tuple_value": (54, "NamedTupleValue"),
    },
    "NoneValue": {},
    "ListOfValues": {"values": (1, "[]StructuredValue")},
    "TupleValue": {"values": (1, "[]StructuredValue")},
    "DictValue": {"fields": (1, "{}StructuredValue")},
    "PairValue": {"key": (1, "string"), "value": (2, "StructuredValue")},
    "NamedTupleValue": {"name": (1, "string"), "values": (2, "[]PairValue")},
    "TensorSpecProto": {
        "name": (1, "string"),
        "shape": (2, "TensorShapeProto"),
        "dtype": (3, "int32"),
    },
    "TypeSpecProto": {"type_spec_class_name": (3, "string")},
}

CLASSES = build("imprimatur.saved_object_graph", FIELDS)
SavedModel = CLASSES["SavedModel"]
