"""Which operations of a model are found risky; the models are TensorFlow's own."""

import subprocess
import sys
from pathlib import Path

import pytest

from components.errors import InvalidModelError
from components.infra_validator.op_policy import check_ops, find_risky_ops

ROOT = Path(__file__).resolve().parents[3]
FILE = "/nowhere/file"


@pytest.fixture
def saved(tmp_path):
    """Save a model whose only signature computes this."""
    import tensorflow as tf

    def save(compute, **attributes):
        module = tf.Module()
        for name, value in attributes.items():
            setattr(module, name, value)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def serve(examples):
            return {"y": compute(examples)}

        directory = tmp_path / "model"
        tf.saved_model.save(module, str(directory), signatures={"serving_default": serve})
        return directory

    return save


@pytest.fixture
def saved_graph(tmp_path):
    """Save a model as TensorFlow 1 did, by a function that builds its graph."""
    import tensorflow as tf

    v1 = tf.compat.v1

    def save(build):
        with tf.Graph().as_default(), v1.Session() as session:
            inputs = v1.placeholder(tf.string, [None], name="examples")
            variable = v1.get_variable("w", initializer=1.0)
            options = build(inputs, variable)
            session.run(v1.global_variables_initializer())
            fed = options.pop("feed", inputs)
            outputs = {"y": options.pop("output", tf.identity(inputs))}
            builder = v1.saved_model.Builder(str(tmp_path / "model"))
            builder.add_meta_graph_and_variables(
                session,
                ["serve"],
                {
                    "serving_default": v1.saved_model.predict_signature_def(
                        {"examples": fed}, outputs
                    )
                },
                **options,
            )
            builder.save()
        return tmp_path / "model"

    return save


def ops(model):
    return [risky.op for risky in find_risky_ops(model)]


@pytest.fixture
def edited():
    """Change a saved graph by TensorFlow's own messages."""
    from tensorflow.core.protobuf import saved_model_pb2

    def edit(model, change):
        path = model / "saved_model.pb"
        message = saved_model_pb2.SavedModel.FromString(path.read_bytes())
        change(message.meta_graphs[0])
        path.write_bytes(message.SerializeToString())
        return model

    return edit


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


def table(tf, source):
    return tf.lookup.StaticHashTable(source, default_value=-1)


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


@pytest.fixture
def with_tables(saved, tmp_path):
    """A model with a variable, a table of constants and one of a file that is its asset."""
    import tensorflow as tf

    (tmp_path / "words").write_text("a\nb\n")
    words = tf.lookup.TextFileInitializer(
        str(tmp_path / "words"),
        tf.string,
        tf.lookup.TextFileIndex.WHOLE_LINE,
        tf.int64,
        tf.lookup.TextFileIndex.LINE_NUMBER,
    )
    own = table(tf, words)
    constant = table(tf, tf.lookup.KeyValueTensorInitializer(["a"], tf.constant([1], tf.int64)))
    weight = tf.Variable(tf.constant([1], tf.int64))
    return saved(
        lambda examples: own.lookup(examples) + constant.lookup(examples) * weight,
        tables=[own, constant],
        weight=weight,
    )


def test_exempts_variables_and_tables_of_the_models_own_assets(with_tables):
    assert (with_tables / "assets" / "words").is_file()
    assert (with_tables / "variables" / "variables.index").is_file()
    graph = (with_tables / "saved_model.pb").read_text(errors="ignore")
    assert "InitializeTableFromTextFileV2" in graph
    assert ops(with_tables) == []


def read_before_it_is_set(nodes):
    for node in nodes["ReadVariableOp"]:
        if "^Variable/Assign" in node.input:
            node.input.remove("^Variable/Assign")


def set_to_another_path(nodes):
    (placeholder,) = (n for n in nodes["Placeholder"] if n.name == "asset_path_initializer")
    placeholder.op = "Const"
    placeholder.name = "path"
    for node in nodes["AssignVariableOp"]:
        node.input[1] = "path"


def shared_with_another_handle(nodes):
    for handle in nodes["VarHandleOp"]:
        handle.attr["shared_name"].s = b"same"


def changed_by_something_else(nodes):
    for node in nodes["VarIsInitializedOp"]:
        node.op = "AssignAddVariableOp"
    for node in nodes["NoOp"]:
        node.input.append("^Variable/IsInitialized/VarIsInitializedOp")


def without_inputs(nodes):
    for node in nodes["ReadVariableOp"]:
        node.ClearField("input")


def with_a_name_that_none_has(nodes):
    for node in nodes["StatefulPartitionedCall"]:
        for position, name in enumerate(node.input):
            if name.startswith("ReadVariableOp"):
                node.input[position] = "asset_path_initializer:x"
                nodes["Placeholder"][0].op = "Identity"


@pytest.mark.parametrize(
    "change",
    [
        without_inputs,
        with_a_name_that_none_has,
        read_before_it_is_set,
        set_to_another_path,
        shared_with_another_handle,
        changed_by_something_else,
    ],
)
def test_an_assets_path_must_be_the_only_thing_that_its_variable_holds(with_tables, edited, change):
    def edit(graph):
        nodes = {}
        for node in graph.graph_def.node:
            nodes.setdefault(node.op, []).append(node)
        change(nodes)

    assert ops(edited(with_tables, edit)) == ["InitializeTableFromTextFileV2"]


def test_exempts_the_same_of_a_model_of_tensorflow_1(saved_graph, tmp_path):
    import tensorflow as tf

    v1 = tf.compat.v1
    (tmp_path / "words").write_text("a\n")

    def build(inputs, variable):
        path = tf.constant(str(tmp_path / "words"))
        v1.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, path)
        found = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(
                path,
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            ),
            default_value=-1,
        )
        return {
            "output": found.lookup(inputs) + tf.cast(variable, tf.int64),
            "main_op": v1.tables_initializer(),
            "assets_collection": [path],
        }

    assert ops(saved_graph(build)) == []


def test_finds_a_table_of_a_foreign_file(saved_graph):
    import tensorflow as tf

    def build(inputs, variable):
        found = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(
                FILE,
                tf.string,
                tf.lookup.TextFileIndex.WHOLE_LINE,
                tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            ),
            default_value=-1,
        )
        return {"output": found.lookup(inputs), "main_op": tf.compat.v1.tables_initializer()}

    (risky,) = find_risky_ops(saved_graph(build))
    assert risky.op == "InitializeTableFromTextFileV2"
    assert risky.reached_by == "the initialisation"


@pytest.mark.parametrize("key", ["saved_model_main_op", "legacy_init_op"])
def test_finds_what_runs_at_initialisation(saved_graph, edited, key):
    import tensorflow as tf

    def build(inputs, variable):
        tf.io.write_file(FILE, "x", name="written")
        return {"main_op": tf.compat.v1.tables_initializer()}

    def rename(graph):
        graph.collection_def["saved_model_main_op"].Clear()
        graph.collection_def[key].node_list.value[:] = ["written"]

    (risky,) = find_risky_ops(edited(saved_graph(build), rename))
    assert (risky.op, risky.function) == ("WriteFile", None)
    assert risky.reached_by == "the initialisation"


def test_finds_what_runs_while_variables_are_restored(saved_graph, edited):
    import tensorflow as tf

    def build(inputs, variable):
        tf.io.write_file(FILE, "x", name="written")
        return {}

    model = saved_graph(build)
    assert ops(model) == []

    def hook(graph):
        name = graph.saver_def.restore_op_name
        (node,) = (node for node in graph.graph_def.node if node.name == name)
        node.input.append("^written")

    (risky,) = find_risky_ops(edited(model, hook))
    assert risky.op == "WriteFile"
    assert risky.reached_by == "the restoring of variables"


def test_finds_variables_that_are_restored_from_elsewhere(saved_graph, edited):
    import tensorflow as tf

    def build(inputs, variable):
        tf.constant(FILE, name="elsewhere")
        return {}

    def redirect(graph):
        for node in graph.graph_def.node:
            if node.op == "RestoreV2":
                node.input[0] = "elsewhere"

    (risky,) = find_risky_ops(edited(saved_graph(build), redirect))
    assert risky.op == "RestoreV2"


def test_leaves_alone_what_nothing_runs(saved_graph):
    import tensorflow as tf

    def build(inputs, variable):
        read = tf.io.read_file(FILE)
        return {"feed": read, "output": tf.strings.length(read)}

    assert ops(saved_graph(build)) == []


def test_reads_of_the_models_own_assets_by_a_signature_are_found(saved, tmp_path):
    import tensorflow as tf

    (tmp_path / "words").write_text("a")
    asset = tf.saved_model.Asset(str(tmp_path / "words"))
    assert ops(saved(lambda examples: tf.io.read_file(asset.asset_path), asset=asset)) == [
        "ReadFile"
    ]


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


def test_reads_a_graph_in_text_form(saved):
    from google.protobuf import text_format
    from tensorflow.core.protobuf import saved_model_pb2

    model = saved(write)
    binary = model / "saved_model.pb"
    message = saved_model_pb2.SavedModel.FromString(binary.read_bytes())
    (model / "saved_model.pbtxt").write_text(text_format.MessageToString(message))
    binary.unlink()
    assert ops(model) == ["WriteFile"]


def test_refuses_what_is_no_saved_model(tmp_path):
    with pytest.raises(InvalidModelError, match=r"holds no saved_model\.pb"):
        find_risky_ops(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01\x12\xff")
    with pytest.raises(InvalidModelError, match="can't be read"):
        find_risky_ops(tmp_path)


def test_refuses_a_model_that_no_server_loads(saved, edited):
    def retag(graph):
        graph.meta_info_def.tags[:] = ["train"]

    with pytest.raises(InvalidModelError, match=r"no graph with the tags \['serve'\]"):
        find_risky_ops(edited(saved(write), retag))


def test_warns_or_refuses(saved, caplog):
    model = saved(write)
    caplog.clear()
    refused = check_ops(model, "refuse")
    assert caplog.messages == []
    warned = check_ops(model, "warn")
    assert caplog.messages == ["1 operations of the model do more than compute"]
    assert (warned.check, warned.passed, warned.observed, warned.bound) == ("ops", True, 1.0, None)
    assert (refused.passed, refused.observed, refused.bound.upper) == (False, 1.0, 0.0)
    for finding in (warned, refused):
        assert "WriteFile writes files (node " in finding.message
        assert "run by the signature 'serving_default'" in finding.message


def test_a_finding_names_five(saved):
    import tensorflow as tf

    def compute(examples):
        for number in range(7):
            tf.io.write_file(f"{FILE}{number}", "x")
        return tf.identity(examples)

    message = check_ops(saved(compute), "warn").message
    assert message.count("WriteFile writes") == 5
    assert "; and 2 more." in message


def test_a_sound_model_passes_both_policies(good_model):
    for policy in ("warn", "refuse"):
        finding = check_ops(good_model, policy)
        assert (finding.passed, finding.observed) == (True, 0.0)


@pytest.mark.parametrize("policy", ["warn", "refuse"])
def test_a_graph_that_cannot_be_read_passes_neither(damaged, policy):
    path = damaged / "saved_model.pb"
    path.write_bytes(path.read_bytes()[:-20])
    finding = check_ops(damaged, policy)
    assert not finding.passed
    assert "can't be read" in finding.message


def test_needs_no_tensorflow(good_model):
    code = (
        "import pathlib, sys; from components.infra_validator.op_policy import find_risky_ops; "
        "assert not find_risky_ops(pathlib.Path(sys.argv[1])); "
        "sys.exit('tensorflow' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(good_model)]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
