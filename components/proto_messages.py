"""Builds protocol buffer messages from a table of their fields, without generated code.

What TensorFlow's own generated modules cost is its whole import: 6 s and 400 MB. The messages made
here are the same on the wire and live in a descriptor pool of their own, so that both can be in
one process. Fields that a table leaves out are skipped when read.
"""

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Fields = Mapping[str, Mapping[str, tuple[int, str]]]
"""Message → field → number and type. Enumerations are declared as int32: the same bytes. ``[]``
repeats, ``{}`` maps from text, ``?`` before a scalar tells a default that was given from none."""

_TYPES = {
    "bool": descriptor_pb2.FieldDescriptorProto.TYPE_BOOL,
    "bytes": descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
    "double": descriptor_pb2.FieldDescriptorProto.TYPE_DOUBLE,
    "float": descriptor_pb2.FieldDescriptorProto.TYPE_FLOAT,
    "int32": descriptor_pb2.FieldDescriptorProto.TYPE_INT32,
    "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
    "sint64": descriptor_pb2.FieldDescriptorProto.TYPE_SINT64,
    "string": descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
    "uint32": descriptor_pb2.FieldDescriptorProto.TYPE_UINT32,
    "uint64": descriptor_pb2.FieldDescriptorProto.TYPE_UINT64,
}


def build(package: str, fields: Fields) -> dict[str, Any]:
    """Return the message classes by name.

    Args:
        package: their namespace, as error messages show it.
        fields: every message that a field names must be in it.
    """
    file = descriptor_pb2.FileDescriptorProto(
        name=package.replace(".", "/") + ".proto", package=package, syntax="proto3"
    )
    for name, members in fields.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in members.items():
            _add_field(message, package, field, number, kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))
        for name in fields
    }


def _add_field(
    message: descriptor_pb2.DescriptorProto, package: str, name: str, number: int, kind: str
) -> None:
    repeated = kind.startswith(("[]", "{}"))
    field = message.field.add(name=name, number=number)
    field.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
    if kind.startswith("{}"):
        entry_name = "".join(part.title() for part in name.split("_")) + "Entry"
        entry = message.nested_type.add(name=entry_name)
        entry.options.map_entry = True
        _add_field(entry, package, "key", 1, "string")
        _add_field(entry, package, "value", 2, kind[2:])
        field.type = field.TYPE_MESSAGE
        field.type_name = f".{package}.{message.name}.{entry_name}"
        return
    if kind.startswith("?"):
        field.proto3_optional = True
        field.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{name}")
    scalar = _TYPES.get(kind.removeprefix("[]").removeprefix("?"))
    if scalar is not None:
        field.type = scalar
    else:
        field.type = field.TYPE_MESSAGE
        field.type_name = f".{package}.{kind.removeprefix('[]')}"
