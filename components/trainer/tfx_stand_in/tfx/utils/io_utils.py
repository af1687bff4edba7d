"""Reading and writing files, messages and directories."""

import os
import re
import tempfile
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

from google.protobuf import json_format, text_format
from google.protobuf.message import Message

from components.trainer import absent_module
from tfx.dsl.io import fileio

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0.schema_pb2 import Schema

AnyMessage = TypeVar("AnyMessage", bound=Message)


def ensure_local(file_path: str) -> str:
    """Return the path of a local copy, or the path itself if it is local."""
    if "://" not in file_path:
        return file_path
    local = os.path.join(tempfile.mkdtemp(), os.path.basename(file_path))
    fileio.copy(file_path, local)
    return local


def copy_file(src: str, dst: str, overwrite: bool = False) -> None:
    """Copy one file; make the directory that it goes to."""
    _make_parent(dst)
    fileio.copy(src, dst, overwrite=overwrite)


def copy_dir(
    src: str,
    dst: str,
    allow_regex_patterns: Iterable[str] = (),
    deny_regex_patterns: Iterable[str] = (),
) -> None:
    """Copy a directory with all that is in it; what is at the destination is removed first.

    Args:
        src: the directory.
        dst: what it shall be called there.
        allow_regex_patterns: copy only paths that one of these is found in; empty means all.
        deny_regex_patterns: don't copy paths that one of these is found in.
    """
    source, target = src.rstrip("/"), dst.rstrip("/")
    allow, deny = list(allow_regex_patterns), list(deny_regex_patterns)

    def is_wanted(path: str) -> bool:
        allowed = not allow or any(re.search(pattern, path) for pattern in allow)
        return allowed and not any(re.search(pattern, path) for pattern in deny)

    delete_dir(target)
    fileio.makedirs(target)
    for folder, folders, files in fileio.walk(source):
        for name in [*folders, *files]:
            path = os.path.join(str(folder), str(name))
            destination = target + path[len(source) :]
            if is_wanted(path) and name in folders:
                fileio.makedirs(destination)
            elif is_wanted(path):
                copy_file(path, destination)


def delete_dir(path: str) -> None:
    """Remove a directory, if it is there."""
    if fileio.isdir(path):
        fileio.rmtree(path)


def get_only_uri_in_dir(dir_path: str) -> str:
    """Return the path of the one file or directory in a directory.

    Raises:
        RuntimeError: there isn't exactly one.
    """
    names = fileio.listdir(dir_path)
    if len(names) != 1:
        raise RuntimeError(f"{dir_path!r} holds {sorted(names)!r}; expected exactly one file")
    return os.path.join(dir_path, str(names[0]).rstrip("/"))


def all_files_pattern(file_pattern: str) -> str:
    """Return the pattern of all files in a directory."""
    return os.path.join(file_pattern, "*")


def write_string_file(file_name: str, string_value: str) -> None:
    """Write text; make the directory that it goes to."""
    _make_parent(file_name)
    with fileio.open(file_name, "w") as file:
        file.write(string_value)


def write_bytes_file(file_name: str, content: bytes) -> None:
    """Write bytes; make the directory that they go to."""
    _make_parent(file_name)
    with fileio.open(file_name, "wb") as file:
        file.write(content)


def write_pbtxt_file(file_name: str, proto: Message) -> None:
    """Write a message in text form."""
    write_string_file(file_name, text_format.MessageToString(proto))


def write_tfrecord_file(file_name: str, *proto: Message) -> None:
    """Write messages as records."""
    import tensorflow as tf

    _make_parent(file_name)
    with tf.io.TFRecordWriter(file_name) as writer:
        for message in proto:
            writer.write(message.SerializeToString())


def read_string_file(file_name: str) -> str:
    """Return a file's text.

    Raises:
        FileNotFoundError: there is none.
    """
    return read_bytes_file(file_name).decode("utf-8")


def read_bytes_file(file_name: str) -> bytes:
    """Return a file's bytes.

    Raises:
        FileNotFoundError: there is none.
    """
    if not fileio.exists(file_name):
        raise FileNotFoundError(f"{file_name} does not exist")
    with fileio.open(file_name, "rb") as file:
        return bytes(file.read())


def parse_pbtxt_file(file_name: str, message: AnyMessage) -> AnyMessage:
    """Fill a message from its text form, and return it."""
    return text_format.Parse(_text(file_name), message)


def parse_json_file(file_name: str, message: AnyMessage) -> AnyMessage:
    """Fill a message from its JSON form, and return it."""
    return json_format.Parse(_text(file_name), message)


def load_csv_column_names(csv_file: str) -> list[str]:
    """Return the names in the first line, split at commas."""
    return _text(csv_file).partition("\n")[0].strip().split(",")


class SchemaReader:
    """Reads a `tensorflow_metadata` schema."""

    def read(self, schema_path: str) -> "Schema":
        """Return the schema in a file of text form."""
        from tensorflow_metadata.proto.v0 import schema_pb2

        return parse_pbtxt_file(schema_path, schema_pb2.Schema())


def _text(file_name: str) -> str:
    with fileio.open(file_name) as file:
        return str(file.read())


def _make_parent(file_name: str) -> None:
    fileio.makedirs(os.path.dirname(file_name) or ".")


__getattr__ = absent_module.attributes(__name__)
