"""Arrays to and from `TensorProto`, compared with TensorFlow's own conversion."""

import ml_dtypes
import numpy as np
import pytest

from components.model_server import messages
from components.model_server.tensor_codec import fill, strings, to_array

ARRAYS = {
    "float": np.array([[1.5, -2.25], [np.nan, np.inf]], np.float32),
    "double": np.array([0.1, 1e300]),
    "half": np.array([0.5, -65504.0], np.float16),
    "bfloat16": np.array([1.0, 3.140625], ml_dtypes.bfloat16),
    "int8": np.array([-128, 127], np.int8),
    "uint8": np.array([0, 255], np.uint8),
    "int16": np.array([-32768], np.int16),
    "uint16": np.array([65535], np.uint16),
    "int32": np.array([[-(2**31)], [2**31 - 1]], np.int32),
    "int64": np.array([-(2**63), 2**63 - 1], np.int64),
    "uint32": np.array([2**32 - 1], np.uint32),
    "uint64": np.array([2**64 - 1], np.uint64),
    "bool": np.array([True, False]),
    "complex64": np.array([1 + 2j], np.complex64),
    "complex128": np.array([1 - 2j, 0.5j]),
    "string": np.array([b"plain", b"\x00\xff\x00", b""], object),
    "scalar": np.array(3.5, np.float32),
    "empty": np.zeros((0, 3), np.float32),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_tensorflow_reads_what_is_written(name):
    import tensorflow as tf

    proto = tf.make_tensor_proto([0.0]).__class__()
    fill(proto, ARRAYS[name])
    assert not proto.tensor_content
    read = tf.make_ndarray(proto)
    assert read.shape == ARRAYS[name].shape
    np.testing.assert_array_equal(read, ARRAYS[name])


@pytest.mark.parametrize("name", ARRAYS)
def test_reads_what_tensorflow_writes(name):
    import tensorflow as tf

    read = to_array(tf.make_tensor_proto(ARRAYS[name]))
    assert (read.dtype, read.shape) == (ARRAYS[name].dtype, ARRAYS[name].shape)
    np.testing.assert_array_equal(read, ARRAYS[name])


def proto_of(dtype, shape, **fields):
    from tensorflow.core.framework import tensor_pb2

    proto = tensor_pb2.TensorProto(dtype=dtype, **fields)
    for size in shape:
        proto.tensor_shape.dim.add(size=size)
    return proto


def test_too_few_values_repeat_the_last_and_none_means_zeros():
    assert to_array(proto_of(1, [4], float_val=[1.0, 2.0])).tolist() == [1.0, 2.0, 2.0, 2.0]
    assert to_array(proto_of(3, [2])).tolist() == [0, 0]
    assert to_array(proto_of(7, [2])).tolist() == [b"", b""]


@pytest.mark.parametrize(
    ("proto", "reason"),
    [
        (lambda: proto_of(0, [1]), "DataType 0"),
        (lambda: proto_of(20, [1]), "DataType 20"),
        (lambda: proto_of(1, [-1], float_val=[1.0]), "isn't complete"),
        (lambda: proto_of(1, [2], tensor_content=b"1234"), "holds 1 values"),
        (lambda: proto_of(1, [1], tensor_content=b"123"), "can't be read"),
        (lambda: proto_of(1, [1 << 40]), "asks for more than"),
    ],
    ids=["no type", "resource", "open shape", "short content", "odd content", "a bomb"],
)
def test_refuses_what_tensorflow_refuses(proto, reason):
    with pytest.raises(ValueError, match=reason):
        to_array(proto())


def test_strings_keep_trailing_zeros():
    assert strings([b"a\x00", b""]).tolist() == [b"a\x00", b""]


@pytest.mark.parametrize(("number", "size"), [(7, 2**24), (1, 2**27), (9, 2**26)])
def test_a_few_bytes_do_not_ask_for_much_memory(number, size):
    proto = messages.TensorProto(dtype=number)
    proto.tensor_shape.dim.add(size=size)

    with pytest.raises(ValueError, match="repeat a value in more than 268435456 bytes"):
        to_array(proto)
    del proto.tensor_shape.dim[:]
    proto.tensor_shape.dim.add(size=1024)
    assert to_array(proto).shape == (1024,)
