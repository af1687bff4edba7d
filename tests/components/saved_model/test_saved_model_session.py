"""`ServingSession` runs models as TensorFlow Serving would."""

import numpy as np
import pytest

from components.errors import InvalidModelError, PredictionError


@pytest.fixture(scope="module")
def scaled_model(tmp_path_factory):
    import tensorflow as tf

    class Scaled(tf.Module):
        def __init__(self):
            super().__init__()
            self.factor = tf.Variable(3.0)
            self.table = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(["a", "b"], [1.0, 2.0]), default_value=-1.0
            )

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
        def scale(self, x):
            return {"y": self.factor * x, "shifted": x + 1.0}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def look_up(self, examples):
            return {"value": self.table.lookup(examples)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        def parse(self, examples):
            return tf.io.parse_example(examples, {"a": tf.io.FixedLenFeature([], tf.float32)})

        @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
        def insist(self, x):
            with tf.control_dependencies([tf.debugging.assert_positive(x, "must be positive")]):
                return {"y": tf.identity(x)}

    directory = tmp_path_factory.mktemp("scaled") / "model"
    module = Scaled()
    tf.saved_model.save(
        module,
        str(directory),
        signatures={
            "serving_default": module.scale,
            "look_up": module.look_up,
            "insist": module.insist,
            "parse": module.parse,
        },
    )
    return directory


@pytest.fixture(scope="module")
def session(scaled_model):
    from components.saved_model.session import ServingSession

    with ServingSession(scaled_model) as session:
        yield session


def test_restores_variables_and_answers(session):
    answer = session.run("serving_default", {"x": np.array([1.0, -2.0], np.float32)})
    np.testing.assert_array_equal(answer["y"], [3.0, -6.0])
    np.testing.assert_array_equal(answer["shifted"], [2.0, -1.0])


def test_initialises_tables(session):
    answer = session.run("look_up", {"examples": np.array([b"b", b"zzz"], object)})
    np.testing.assert_array_equal(answer["value"], [2.0, -1.0])


def test_computes_only_the_outputs_asked_for(session):
    assert session.run("serving_default", {"x": [1.0]}, ["shifted"]).keys() == {"shifted"}


def test_describes_signatures(session):
    import tensorflow as tf

    assert set(session.signatures) == {"serving_default", "look_up", "insist", "parse"}
    assert session.signature("look_up").takes_examples
    assert not session.signature().takes_examples
    spec = session.signature().inputs["x"]
    assert (spec.dtype, spec.shape) == (tf.float32, (None,))


def test_names_the_signatures_there_are(session):
    with pytest.raises(InvalidModelError, match=r"no signature 'nope'.*'insist', 'look_up'"):
        session.run("nope", {})


def test_names_the_inputs_that_a_signature_takes(session):
    with pytest.raises(PredictionError, match=r"takes the inputs \['x'\]; got \['z'\]"):
        session.run("serving_default", {"z": [1.0]})


def test_reports_an_operation_that_fails(session):
    with pytest.raises(PredictionError, match="must be positive"):
        session.run("insist", {"x": [-1.0]})


def test_executes_without_converting_what_it_is_fed(session):
    import tensorflow as tf

    name = session.signature().inputs["x"].tensor_name
    fetches = [session.signature().outputs["y"].tensor_name]
    with pytest.raises(tf.errors.InvalidArgumentError, match="to be float but double is provided"):
        session.execute({name: np.array([1.0])}, fetches)
    scalar = np.float32(2.0).reshape(())
    assert session.execute({name: scalar}, fetches, timeout_seconds=60)[0] == 6.0


def test_execute_reports_an_operation_whose_words_are_not_utf_8(session):
    import tensorflow as tf

    name = session.signature("parse").inputs["examples"].tensor_name
    fetches = [session.signature("parse").outputs["a"].tensor_name]
    with pytest.raises(tf.errors.InvalidArgumentError, match="Could not parse example input"):
        session.execute({name: np.array([b"\xff\xff"], object)}, fetches)


def test_execute_names_a_tensor_that_is_not_there(session):
    import tensorflow as tf

    with pytest.raises(tf.errors.InvalidArgumentError, match=r"Tensor :0, .* not found"):
        session.execute({}, [":0"])


def test_refuses_a_directory_without_a_saved_model(tmp_path):
    from components.saved_model.session import ServingSession

    with pytest.raises(InvalidModelError, match=r"holds no saved_model\.pb"):
        ServingSession(tmp_path)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda model: (model / "saved_model.pb").write_bytes(b"\x08\x01\x12\xff"), "can't be"),
        (lambda model: next(model.glob("variables/*.data*")).unlink(), "can't be loaded"),
    ],
    ids=["truncated graph", "missing shard"],
)
def test_refuses_a_damaged_model(scaled_model, tmp_path, damage, reason):
    import shutil

    from components.saved_model.session import ServingSession

    model = tmp_path / "model"
    shutil.copytree(scaled_model, model)
    damage(model)
    with pytest.raises(InvalidModelError, match=reason):
        ServingSession(model)


def test_refuses_other_tags_by_name(scaled_model):
    from components.saved_model.session import ServingSession

    with pytest.raises(InvalidModelError, match=r"\['train'\]"):
        ServingSession(scaled_model, tags=["train"])
