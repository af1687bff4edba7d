"""A SavedModel's messages, as far as its graph is read, without importing TensorFlow.

Sources: `tensorflow/core/protobuf/{saved_model,meta_graph,saver}.proto`,
`tensorflow/core/framework/{graph,node_def,attr_value,function,op_def,tensor,tensor_shape}.proto`,
`google/protobuf/any.proto`.
"""

from components.proto_messages import build

FIELDS: dict[str, dict[str, tuple[int, str]]] = {
    "SavedModel": {"meta_graphs": (2, "[]MetaGraphDef")},
    "MetaGraphDef": {
        "meta_info_def": (1, "MetaInfoDef"),
        "graph_def": (2, "GraphDef"),
        "saver_def": (3, "SaverDef"),
        "collection_def": (4, "{}CollectionDef"),
        "signature_def": (5, "{}SignatureDef"),
        "asset_file_def": (6, "[]AssetFileDef"),
    },
    "MetaInfoDef": {"tags": (4, "[]string")},
    "SaverDef": {"filename_tensor_name": (1, "string"), "restore_op_name": (3, "string")},
    "CollectionDef": {"node_list": (1, "NodeList"), "any_list": (5, "AnyList")},
    "NodeList": {"value": (1, "[]string")},
    "AnyList": {"value": (1, "[]Any")},
    "Any": {"type_url": (1, "string"), "value": (2, "bytes")},
    "SignatureDef": {"inputs": (1, "{}TensorInfo"), "outputs": (2, "{}TensorInfo")},
    "TensorInfo": {
        "name": (1, "string"),
        "dtype": (2, "int32"),
        "tensor_shape": (3, "TensorShapeProto"),
        "coo_sparse": (4, "CooSparse"),
        "composite_tensor": (5, "CompositeTensor"),
    },
    "TensorShapeProto": {"dim": (2, "[]Dim"), "unknown_rank": (3, "bool")},
    "Dim": {"size": (1, "int64")},
    "CooSparse": {
        "values_tensor_name": (1, "string"),
        "indices_tensor_name": (2, "string"),
        "dense_shape_tensor_name": (3, "string"),
    },
    "CompositeTensor": {"components": (2, "[]TensorInfo")},
    "AssetFileDef": {"tensor_info": (1, "TensorInfo"), "filename": (2, "string")},
    "GraphDef": {"node": (1, "[]NodeDef"), "library": (2, "FunctionDefLibrary")},
    "NodeDef": {
        "name": (1, "string"),
        "op": (2, "string"),
        "input": (3, "[]string"),
        "attr": (5, "{}AttrValue"),
    },
    "AttrValue": {
        "list": (1, "ListValue"),
        "s": (2, "bytes"),
        "tensor": (8, "TensorProto"),
        "func": (10, "NameAttrList"),
    },
    "ListValue": {"s": (2, "[]bytes"), "func": (9, "[]NameAttrList")},
    "NameAttrList": {"name": (1, "string"), "attr": (2, "{}AttrValue")},
    "TensorProto": {"string_val": (8, "[]bytes")},
    "FunctionDefLibrary": {"function": (1, "[]FunctionDef"), "gradient": (2, "[]GradientDef")},
    "GradientDef": {"function_name": (1, "string"), "gradient_func": (2, "string")},
    "FunctionDef": {
        "signature": (1, "OpDef"),
        "node_def": (3, "[]NodeDef"),
        "attr": (5, "{}AttrValue"),
    },
    "OpDef": {"name": (1, "string"), "input_arg": (2, "[]ArgDef")},
    "ArgDef": {
        "name": (1, "string"),
        "number_attr": (5, "string"),
        "type_list_attr": (6, "string"),
    },
    "OpList": {"op": (1, "[]OpDef")},
}

_ENUMERATIONS = ("dtype",)
_TEXT_FIELDS = {
    message: {field: kind for field, kind in fields.items() if field not in _ENUMERATIONS}
    for message, fields in FIELDS.items()
}

_CLASSES = build("imprimatur.saved_model", FIELDS)
SavedModel = _CLASSES["SavedModel"]
AssetFileDef = _CLASSES["AssetFileDef"]
OpList = _CLASSES["OpList"]
TextSavedModel = build("imprimatur.saved_model_text", _TEXT_FIELDS)["SavedModel"]
"""For the text form, which names the values of enumerations: it has none, and skips them."""
