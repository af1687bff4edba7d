"""Which operations of a model are found risky; the models are TensorFlow's own."""

import pytest

from components.saved_model.risky_op import find_risky_ops

FILE = "/nowhere/file"


def ops(model):
    return [risky.op for risky in find_risky_ops(model)]


def write(text):
    import tensorflow as tf

    with tf.control_dependencies([tf.io.write_file(FILE, tf.reshape(text, [-1])[0])]):
        return tf.identity(text)


def in_switch_case(examples):
    import tensorflow as tf

    return tf.switch_case(tf.size(examples), [lambda: examples, lambda: write(examples)])


def in_while(examples):
    import tensorflow as tf

    return tf.while_loop(lambda text: tf.size(text) > 9, lambda text: [write(text)], [examples])[0]


def in_map(examples):
    import tensorflow as tf

    return tf.map_fn(write, examples)


def in_data(examples):
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices(examples).map(write)
    return data.reduce("", lambda _, text: text)


def in_nested_functions(examples):
    import tensorflow as tf

    return tf.function(lambda outer: tf.function(write)(outer))(examples)


def without_a_result(examples):
    import tensorflow as tf

    tf.io.write_file(FILE, "x")
    return tf.identity(examples)


@pytest.mark.parametrize(
    "compute",
    [write, in_switch_case, in_while, in_map, in_data, in_nested_functions, without_a_result],
)
def test_finds_what_nested_functions_hide(saved, compute):
    (risky,) = find_risky_ops(saved(compute))
    assert (risky.op, risky.why) == ("WriteFile", "writes files")
    assert risky.function is not None
    assert risky.reached_by == "the signature 'serving_default'"


def python(examples):
    import tensorflow as tf

    return tf.numpy_function(lambda text: text, [examples], tf.string)


def eager_python(examples):
    import tensorflow as tf

    return tf.py_function(lambda text: text, [examples], tf.string)


def stateless_python(examples):
    import tensorflow as tf

    return tf.numpy_function(lambda text: text, [examples], tf.string, stateful=False)


def print_to_a_file(examples):
    import tensorflow as tf

    tf.print("x", output_stream=f"file://{FILE}")
    return tf.identity(examples)


def reading_data(dataset):
    def compute(examples):
        import tensorflow as tf

        return dataset(tf, examples).reduce(tf.constant(""), lambda _, text: text)

    return compute


def raw(op, **arguments):
    def compute(examples):
        import tensorflow as tf

        result = getattr(tf.raw_ops, op)(
            **{
                name: value(examples) if callable(value) else value
                for name, value in arguments.items()
            }
        )
        return tf.identity(examples) if isinstance(result, tf.Operation) else result

    return compute


def restore(examples):
    import tensorflow as tf

    return tf.raw_ops.RestoreV2(
        prefix=FILE, tensor_names=["x"], shape_and_slices=[""], dtypes=[tf.string]
    )[0]


def summary(examples):
    import tensorflow as tf

    writer = tf.raw_ops.SummaryWriter()
    tf.raw_ops.CreateSummaryFileWriter(
        writer=writer, logdir=FILE, max_queue=1, flush_millis=1, filename_suffix=""
    )
    return tf.identity(examples)


def first(examples):
    return examples[0]


def hidden_graph(examples):
    import tensorflow as tf

    dataset = tf.raw_ops.DatasetFromGraph(graph_def=examples[0])
    return tf.raw_ops.DatasetCardinality(input_dataset=dataset)


RISKY = {
    "python": (python, ["PyFunc"]),
    "eager_python": (eager_python, ["EagerPyFunc"]),
    "stateless_python": (stateless_python, ["PyFuncStateless"]),
    "print": (print_to_a_file, ["PrintV2"]),
    "read_file": (raw("ReadFile", filename=FILE), ["ReadFile"]),
    "matching": (raw("MatchingFiles", pattern=first), ["MatchingFiles"]),
    "restore": (restore, ["RestoreV2"]),
    "save": (
        raw(
            "SaveV2",
            prefix=FILE,
            tensor_names=["x"],
            shape_and_slices=[""],
            tensors=lambda examples: [examples],
        ),
        ["SaveV2"],
    ),
    "text_lines": (reading_data(lambda tf, e: tf.data.TextLineDataset(e)), ["TextLineDataset"]),
    "tf_records": (
        reading_data(lambda tf, e: tf.data.TFRecordDataset(e)),
        ["TFRecordDataset"],
    ),
    "cache_in_a_file": (
        reading_data(lambda tf, e: tf.data.Dataset.from_tensor_slices(e).cache(FILE)),
        ["CacheDatasetV2"],
    ),
    "summary": (summary, ["CreateSummaryFileWriter"]),
    "abort": (raw("Abort", error_msg="bye"), ["Abort"]),
    "debug": (
        raw("DebugIdentityV2", input=lambda e: e, debug_urls=["file:///x"]),
        ["DebugIdentityV2"],
    ),
    "descriptor": (
        lambda examples: raw(
            "DecodeProtoV2",
            bytes=examples,
            message_type="M",
            field_names=[],
            output_types=[],
            descriptor_source=FILE,
        )(examples)[0],
        ["DecodeProtoV2"],
    ),
    "hidden_graph": (hidden_graph, ["DatasetFromGraph"]),
}


@pytest.mark.parametrize(("compute", "expected"), RISKY.values(), ids=RISKY)
def test_finds(saved, compute, expected):
    assert ops(saved(compute)) == expected


def print_to_the_log(examples):
    import tensorflow as tf

    tf.print("x")
    return tf.identity(examples)


HARMLESS = {
    "print": print_to_the_log,
    "cache": reading_data(lambda tf, e: tf.data.Dataset.from_tensor_slices(e).cache()),
    "debug": raw("DebugIdentityV2", input=lambda e: e),
    "descriptor": lambda examples: raw(
        "DecodeProtoV2", bytes=examples, message_type="M", field_names=[], output_types=[]
    )(examples)[0],
}


@pytest.mark.parametrize("compute", HARMLESS.values(), ids=HARMLESS)
def test_finds_nothing_in_what_only_computes(saved, compute):
    assert ops(saved(compute)) == []


def test_leaves_alone_what_nothing_runs(saved_graph):
    import tensorflow as tf

    def build(inputs, variable):
        read = tf.io.read_file(FILE)
        return {"feed": read, "output": tf.strings.length(read)}

    assert ops(saved_graph(build)) == []


def test_finds_operations_that_are_not_tensorflows(saved, edited):
    import tensorflow as tf

    def rename(graph):
        for function in graph.graph_def.library.function:
            for node in function.node_def:
                if node.op == "StringLength":
                    node.op = "LicensedStringLength"

    model = edited(saved(lambda examples: tf.strings.length(examples)), rename)
    (risky,) = find_risky_ops(model)
    assert risky.op == "LicensedStringLength"
    assert "code of a library" in risky.why


def test_finds_what_grappler_may_put_in_place_of_a_function(saved, edited):
    import tensorflow as tf

    @tf.function(experimental_attributes={"api_implements": "same"})
    def plain(text):
        return tf.strings.lower(text)

    @tf.function(experimental_attributes={"api_implements": "same"})
    def writing(text):
        return write(text)

    def compute(examples):
        writing.get_concrete_function(examples).add_to_graph()
        return plain(examples)

    assert ops(saved(compute)) == ["WriteFile"]


def test_follows_a_function_that_is_an_operation(saved_graph):
    import tensorflow as tf
    from tensorflow.python.framework import function

    writing = function.Defun(tf.string)(write)

    def build(inputs, variable):
        return {"output": writing(inputs)}

    (risky,) = find_risky_ops(saved_graph(build))
    assert risky.op == "WriteFile"
    assert risky.function is not None


def test_follows_gradients(saved_graph):
    import tensorflow as tf
    from tensorflow.python.framework import function

    @function.Defun(tf.float32, tf.float32)
    def backwards(value, gradient):
        with tf.control_dependencies([tf.io.write_file(FILE, "x")]):
            return gradient * value

    @function.Defun(tf.float32, grad_func=backwards)
    def forwards(value):
        return value * 2.0

    def build(inputs, variable):
        value = tf.strings.to_number(inputs)
        (gradient,) = tf.gradients(forwards(value), value)
        return {"output": gradient}

    assert ops(saved_graph(build)) == ["WriteFile"]
