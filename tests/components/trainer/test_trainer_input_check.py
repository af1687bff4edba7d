"""A schema or transform graph that was made for other examples is named before the training."""

import pytest

from components import artifacts, tfrecord
from components.errors import ConfigurationError, DataError
from components.records import Examples, Schema, Split, TransformGraph
from components.trainer.arguments import Inputs, StepArgs
from components.trainer.input_check import check_inputs

FEATURE = 'feature {{ name: "{}" presence {{ min_fraction: {} }} {} }}\n'
# A tf.train.Example with the features x, 1.0, and y, 7, byte by byte.
EXAMPLE = bytes.fromhex("0a1b 0a0d 0a0178 1208 1206 0a040000803f 0a0a 0a0179 1205 1a03 0a0107")


@pytest.fixture
def check(tmp_path):
    """Check with a schema, a graph's transformed and its raw schema, each as text or None."""
    directory = tmp_path / "examples" / "Split-train"
    directory.mkdir(parents=True)
    graph_file = tmp_path / "graph" / "transform_fn" / "saved_model.pb"
    graph_file.parent.mkdir(parents=True)
    graph_file.write_bytes(b"")

    def check(schema=None, transformed=None, raw=None, examples=(EXAMPLE,)):
        tfrecord.write_records(directory / "data", examples)
        root = str(tmp_path / "examples")
        splits = {"train": Split("Split-train/*", len(examples))}
        record = Examples(root, splits, artifacts.digest(root))
        places = {"schema": schema, "graph/transformed_metadata": transformed,
                  "graph/metadata": raw}  # fmt: skip
        for place, text in places.items():
            if text:
                (tmp_path / place).mkdir(parents=True, exist_ok=True)
                (tmp_path / place / "schema.pbtxt").write_text(text)
        has_graph = transformed is not None
        check_inputs(
            Inputs(
                examples=record,
                train_args=StepArgs(0, ("train",)),
                eval_args=StepArgs(0, ("train",)),
                schema=Schema(str(tmp_path / "schema"), "", "") if schema is not None else None,
                transform_graph=TransformGraph(str(tmp_path / "graph"), "", "")
                if has_graph
                else None,
                base_model=None,
                hyperparameters=None,
                custom_config=None,
            )
        )

    return check


def demand(*names, share=1.0, more=""):
    return "".join(FEATURE.format(name, share, more) for name in names)


def test_the_example_is_what_tensorflow_reads():
    from tensorflow.core.example import example_pb2

    features = example_pb2.Example.FromString(EXAMPLE).features.feature
    assert set(features) == {"x", "y"}
    assert (list(features["x"].float_list.value), list(features["y"].int64_list.value)) == (
        [1.0],
        [7],
    )


def test_accepts_what_fits(check):
    check()
    check(schema=demand("x", "y") + demand("z", share=0.5))
    check(transformed=demand("x_xf"), raw=demand("x"))
    check(transformed=demand("x"), raw=demand("raw"))
    check(schema=demand("x", more="type: FLOAT shape { dim { size: 1 } }"))
    check(schema=demand("y", more="type: INT shape {}") + demand("x", more="type: TYPE_UNKNOWN"))
    check(schema=demand("z", more="lifecycle_stage: PLANNED") + demand("w", more="type: STRUCT"))
    check(transformed=demand("x", more="type: INT"), raw=demand("x", more="type: FLOAT"))


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        (demand("x", "z"), "'z' is missing; they have 'x', 'y'"),
        (demand("x", more="type: BYTES"), "'x' is FLOAT, not BYTES"),
        (demand("x", more="type: INT"), "'x' is FLOAT, not INT"),
        (demand("y", more="type: FLOAT"), "'y' is INT, not FLOAT"),
        (demand("y", share=0.5, more="type: FLOAT"), "'y' is INT, not FLOAT"),
        (
            demand("x", more="shape { dim { size: 2 } dim { size: 3 } }"),
            "'x' holds 1 values, not 6",
        ),
    ],
)
def test_refuses_a_schema_of_other_examples(check, schema, problem):
    with pytest.raises(
        DataError, match=r"the schema in '.*schema' doesn't fit the examples in"
    ) as e:
        check(schema=schema)
    assert problem in str(e.value)


def test_refuses_a_transform_graph_of_other_examples(check):
    with pytest.raises(DataError, match=r"the transform graph in .*: 'z_xf' is missing; they have"):
        check(transformed=demand("z_xf"), raw=demand("z"))
    with pytest.raises(DataError, match=r"examples': 'y' is INT, not FLOAT; they have"):
        check(transformed=demand("a", "b", "c"), raw=demand("x") + demand("y", more="type: FLOAT"))


def test_looks_at_more_than_the_first_example(check, tmp_path):
    other = EXAMPLE.replace(b"y", b"z")
    check(schema=demand("x", "y"))
    with pytest.raises(DataError, match="'y' is missing; they have 'x', 'y', 'z'"):
        check(schema=demand("x", "y"), examples=[EXAMPLE, other])
    with pytest.raises(DataError, match=r"split 'train', holds what isn't a tf\.Example"):
        check(schema=demand("x", "y"), examples=[EXAMPLE, b"text"])


def test_refuses_a_transform_graph_without_its_graph(check, tmp_path):
    check(transformed=demand("x"))
    (tmp_path / "graph/transform_fn/saved_model.pb").unlink()
    with pytest.raises(ConfigurationError, match=r"the transform graph has no '.*saved_model\.pb'"):
        check(transformed=demand("x"))


def test_refuses_a_schema_that_is_not_there_or_none(check):
    with pytest.raises(ConfigurationError, match=r"the transform graph has no .*transformed_meta"):
        check(transformed="")
    with pytest.raises(ConfigurationError, match=r"schema.pbtxt' is no schema in text form"):
        check(schema="what { is this")
