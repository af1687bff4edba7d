"""A schema or transform graph that was made for other examples is named before the training."""

import pytest

from components import artifacts, tfrecord
from components.errors import ConfigurationError, DataError
from components.records import Examples, Schema, Split, TransformGraph
from components.trainer.arguments import Inputs, StepArgs
from components.trainer.input_check import check_inputs

FEATURE = 'feature {{ name: "{}" type: FLOAT presence {{ min_fraction: {} }} }}\n'
# A tf.train.Example with the features x and y, each without values, byte by byte.
EXAMPLE = bytes.fromhex("0a0e0a050a017812000a050a01791200")


@pytest.fixture
def check(tmp_path):
    """Check with a schema, a graph's transformed and its raw schema, each as text or None."""
    directory = tmp_path / "examples" / "Split-train"
    directory.mkdir(parents=True)
    tfrecord.write_records(directory / "data", [EXAMPLE])
    root = str(tmp_path / "examples")
    examples = Examples(root, {"train": Split("Split-train/*", 1)}, artifacts.digest(root))

    def check(schema=None, transformed=None, raw=None):
        places = {"schema": schema, "graph/transformed_metadata": transformed,
                  "graph/metadata": raw}  # fmt: skip
        for place, text in places.items():
            if text:
                (tmp_path / place).mkdir(parents=True, exist_ok=True)
                (tmp_path / place / "schema.pbtxt").write_text(text)
        has_graph = transformed is not None
        check_inputs(
            Inputs(
                examples=examples,
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


def demand(*names, share=1.0):
    return "".join(FEATURE.format(name, share) for name in names)


def test_the_example_is_what_tensorflow_reads():
    from tensorflow.core.example import example_pb2

    assert set(example_pb2.Example.FromString(EXAMPLE).features.feature) == {"x", "y"}


def test_accepts_what_fits(check):
    check()
    check(schema=demand("x", "y") + demand("z", share=0.5))
    check(transformed=demand("x_xf"), raw=demand("x"))
    check(transformed=demand("x"), raw=demand("raw"))


def test_refuses_a_schema_of_other_examples(check):
    with pytest.raises(DataError, match=r"the schema in .* for instance 'z'; they have 'x', 'y'"):
        check(schema=demand("x", "z"))


def test_refuses_a_transform_graph_of_other_examples(check):
    with pytest.raises(DataError, match=r"the transform graph in .* for instance 'z_xf'"):
        check(transformed=demand("z_xf"), raw=demand("z"))


def test_refuses_a_schema_that_is_not_there_or_none(check):
    with pytest.raises(ConfigurationError, match=r"the transform graph has no .*transformed_meta"):
        check(transformed="")
    with pytest.raises(ConfigurationError, match=r"schema.pbtxt' is no schema in text form"):
        check(schema="what { is this")
