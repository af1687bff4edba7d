"""What a model may read: its own variables and assets, when a server loads it."""

import pytest

from components.saved_model.risky_op import find_risky_ops

FILE = "/nowhere/file"


def ops(model):
    return [risky.op for risky in find_risky_ops(model)]


def table(tf, source):
    return tf.lookup.StaticHashTable(source, default_value=-1)


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


def test_reads_of_the_models_own_assets_by_a_signature_are_found(saved, tmp_path):
    import tensorflow as tf

    (tmp_path / "words").write_text("a")
    asset = tf.saved_model.Asset(str(tmp_path / "words"))
    assert ops(saved(lambda examples: tf.io.read_file(asset.asset_path), asset=asset)) == [
        "ReadFile"
    ]
