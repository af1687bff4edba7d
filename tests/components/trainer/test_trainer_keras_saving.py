"""What Keras 3 broke works again: models saved in the ways of Keras 2 can be served."""

import importlib
import sys

import numpy as np
import pytest

from components.errors import ConfigurationError, TrainingError
from components.trainer.keras_fit import watch_fit
from components.trainer.keras_saving import mend_keras, mend_tensorflow


@pytest.fixture(scope="module")
def tf():
    import tensorflow

    return tensorflow


@pytest.fixture
def keras(tf, monkeypatch):
    """Keras 3, mended and watched; as it was afterwards."""
    import keras
    from keras.src.saving import saving_api

    names = ("models", "saving", "_tf_keras.keras.models", "_tf_keras.keras.saving")
    modules = [importlib.import_module(f"keras.{name}") for name in names]
    for module in (saving_api, *modules):
        monkeypatch.setattr(module, "save_model", module.save_model)
    save = tf.saved_model.save
    for name in ("fit", "train_on_batch"):
        owner = next(base for base in keras.Model.__mro__ if name in vars(base))
        monkeypatch.setattr(owner, name, vars(owner)[name])
    mend_keras(keras)
    mend_tensorflow(tf)
    watch_fit(keras)
    yield keras
    tf.saved_model.save = save
    for name, module in list(sys.modules.items()):  # some are made while the test runs
        mended = vars(module).get("save") if name.startswith("tensorflow") else None
        if getattr(mended, "__wrapped__", None) is save:
            vars(module)["save"] = save


@pytest.fixture
def model(keras):
    """Two named inputs, a state that isn't trained, a named output."""
    inputs = [keras.Input((2,), name="left"), keras.Input((1,), name="right")]
    joined = keras.layers.BatchNormalization()(keras.layers.Concatenate()(inputs))
    output = keras.layers.Dense(1, name="score", kernel_initializer="ones")(joined)
    model = keras.Model(inputs, output)
    for number, variable in enumerate(model.variables):
        variable.assign(variable + 0.5 * number)
    return model


@pytest.fixture
def features(tf):
    return {"left": np.array([[1.0, 2.0]], np.float32), "right": np.array([[3.0]], np.float32)}


def serve(directory, inputs, name="serving_default"):
    from components.saved_model.session import ServingSession

    with ServingSession(directory) as session:
        return session.run(name, inputs)


def signatures_of(tf, model):
    specs = [tf.TensorSpec([None, 2], name="left"), tf.TensorSpec([None, 1], name="right")]

    @tf.function(input_signature=specs)
    def answer(left, right):
        return {"answer": model([left, right], training=False)}

    return {"serving_default": answer}


@pytest.mark.parametrize("holder", ["the model", "a module", "a list", "a checkpoint"])
def test_tf_saved_model_save_keeps_the_values(tf, model, features, tmp_path, holder):
    saved = model
    if holder != "the model":
        saved = tf.train.Checkpoint() if holder == "a checkpoint" else tf.Module()
        saved.parts = [model] if holder == "a list" else model
    attributes = set(vars(saved))
    tf.saved_model.save(saved, str(tmp_path / "m"), signatures=signatures_of(tf, model))
    answer = serve(tmp_path / "m", features)["answer"]
    np.testing.assert_allclose(answer, model([features["left"], features["right"]]), rtol=1e-6)
    assert set(vars(saved)) - attributes <= {"_self_unconditional_checkpoint_dependencies"}


def test_save_to_a_directory_names_inputs_and_outputs_as_keras_2_did(model, features, tmp_path):
    model.save(str(tmp_path / "m"), save_format="tf")
    answer = serve(tmp_path / "m", features)
    np.testing.assert_allclose(
        answer["score"], model([features["left"], features["right"]]), rtol=1e-6
    )


def test_save_gives_names_that_a_signature_can_have_and_loses_no_output(keras, tmp_path):
    names = ("a-b", "a b", "2nd")
    inputs = [keras.Input((1,), name=name) for name in names]
    scaled = keras.layers.Rescaling(2.0, name="twice")
    keras.Model(inputs, [scaled(item) for item in inputs]).save(tmp_path / "m")
    asked = {name: np.array([[value]], np.float32) for name, value in
             (("a_b", 1.0), ("a_b_1", 2.0), ("arg_2nd", 3.0))}  # fmt: skip
    answer = serve(tmp_path / "m", asked)
    assert {name: float(value[0, 0]) for name, value in answer.items()} == {
        "twice": 2.0, "twice_1": 4.0, "twice_2": 6.0
    }  # fmt: skip


def test_save_takes_signatures(tf, keras, model, features, tmp_path):
    signatures = signatures_of(tf, model)
    model.save(tmp_path / "a", save_format="tf", include_optimizer=False, signatures=signatures)
    assert "answer" in serve(tmp_path / "a", features)
    tf.keras.models.save_model(model, str(tmp_path / "b"), signatures=signatures)
    assert "answer" in serve(tmp_path / "b", features)


def test_save_without_signatures_of_a_model_without_named_inputs(keras, tmp_path):
    class Doubled(keras.Model):
        def call(self, x):
            return 2.0 * x

    model = Doubled()
    model(np.ones((1, 3), np.float32))
    model.save(str(tmp_path / "m"))
    (name,) = signature_inputs(tmp_path / "m")
    (answer,) = serve(tmp_path / "m", {name: np.full((1, 3), 4.0, np.float32)}).values()
    np.testing.assert_array_equal(answer, np.full((1, 3), 8.0))


def saved_variables(tf, directory):
    """The shapes of what the checkpoint of a SavedModel holds."""
    saved = tf.train.list_variables(f"{directory}/variables/variables")
    return sorted(shape for name, shape in saved if name.endswith("VARIABLE_VALUE"))


@pytest.mark.parametrize("way", ["save", "tf.saved_model.save", "a module", "export"])
def test_each_variable_is_written_once_and_the_optimizer_not(tf, keras, tmp_path, way):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3), keras.layers.Dropout(0.5)])
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(np.ones((2, 2)), np.ones((2, 3)), verbose=0)
    directory = str(tmp_path / "m")
    if way == "a module":
        module = tf.Module()
        module.held, module.optimizer = {"net": [model]}, model.optimizer
        tf.saved_model.save(module, directory)
    else:
        import tensorflow.saved_model.experimental  # noqa: F401  replaces tf.saved_model

        ways = {"save": model.save, "export": lambda path: model.export(path, verbose=False)}
        ways.get(way, lambda path: tf.saved_model.save(model, path))(directory)
    # Kernel, bias, and the dropout's seed.
    assert saved_variables(tf, directory) == [[2], [2, 3], [3]]


def test_what_is_saved_in_the_way_of_keras_2_can_be_fine_tuned(model, features, tmp_path):
    from components.saved_model.inspection import inspect
    from components.saved_model.reusable_layer import ReusableLayer

    model.get_layer("score").kernel.regularizer = lambda kernel: 0.5 * kernel[0, 0] ** 2
    model.save(tmp_path / "m", save_format="tf", include_optimizer=False)
    layer = ReusableLayer(tmp_path / "m", trainable=True)
    inputs = [features["left"], features["right"]]
    np.testing.assert_allclose(layer(inputs), model(inputs), rtol=1e-6)
    trained = [variable.path for variable in model.trainable_variables]
    assert [v.name.removesuffix(":0") for v in layer._loaded.trainable_variables] == trained
    kernel = model.get_layer("score").kernel.numpy()
    assert [float(loss) for loss in layer.losses] == [pytest.approx(0.5 * kernel[0, 0] ** 2)]
    failed = [finding.check for finding in inspect(tmp_path / "m").findings if not finding.passed]
    assert failed == []


def test_says_that_an_optimizer_is_not_written(model, tmp_path, caplog):
    model.save(tmp_path / "m", include_optimizer=True)
    assert "include_optimizer=True: a SavedModel is written without its optimizer" in caplog.text


def test_refuses_to_save_a_model_that_was_never_built(keras, tmp_path):
    with pytest.raises(ConfigurationError, match=r"'new' can't be saved .* call it on a batch"):
        keras.Sequential([keras.layers.Dense(1)], name="new").save(tmp_path / "m")


def signature_inputs(directory):
    from components.saved_model.session import ServingSession

    with ServingSession(directory) as session:
        return session.signature().inputs


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras' own, with NumPy 2
def test_save_to_keras_own_files_is_as_before(keras, model, features, tmp_path):
    model.save(tmp_path / "m.keras", save_format="keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    inputs = [features["left"], features["right"]]
    np.testing.assert_allclose(loaded(inputs), model(inputs))


def test_objects_without_keras_are_saved_as_before(tf, keras, tmp_path):
    module = tf.Module()
    module.factor = tf.Variable(3.0)
    spec = tf.TensorSpec([None], tf.float32, name="x")
    module.f = tf.function(lambda x: {"y": module.factor * x}, input_signature=[spec])
    tf.saved_model.save(module, str(tmp_path / "m"), {"serving_default": module.f})
    np.testing.assert_array_equal(serve(tmp_path / "m", {"x": np.array([2.0], "f")})["y"], [6.0])


@pytest.fixture
def regression(tf, keras):
    """A compiled model and data that it can learn from."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    x = np.arange(8, dtype=np.float32)[:, None]
    return model, tf.data.Dataset.from_tensor_slices((x, 2 * x)).batch(2)


def test_fit_reports_progress(regression, caplog, capsys, tmp_path, monkeypatch):
    from components.trainer import progress, report

    monkeypatch.setenv(progress.FILE_VARIABLE, str(tmp_path / "points"))
    caplog.set_level("INFO")
    model, data = regression
    history = model.fit(data.repeat(), steps_per_epoch=4, epochs=2, validation_data=data)
    lines = [line for line in caplog.messages if line.startswith("epoch")]
    assert lines[0].startswith("epoch 1/2: step 4/8, loss ")
    assert "examples/s" in lines[0]
    assert lines[1].startswith("epoch 2/2: step 8/8, ")
    curves = report.read_curves(tmp_path / "points")
    assert [step for step, _ in curves["loss"]] == [1, 2, 3, 4, 4, 5, 6, 7, 8, 8]
    np.testing.assert_allclose(
        [value for _, value in curves["val_loss"]], history.history["val_loss"]
    )
    assert "━" not in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["one", "list", "CallbackList", "none"])
def test_fit_keeps_the_callbacks_it_was_given(keras, regression, kind):
    model, data = regression

    class Mine(keras.callbacks.Callback):
        called = 0

        def on_epoch_end(self, epoch, logs=None):
            self.called += 1

    mine = Mine()
    forms = {
        "one": mine,
        "list": [mine],
        "CallbackList": keras.callbacks.CallbackList([mine], model=model),
        "none": None,
    }
    model.fit(data, callbacks=forms[kind])
    assert mine.called == (kind != "none")


def test_fit_ends_at_the_step_whose_loss_is_not_a_number(tf, regression):
    model, data = regression
    spoilt = data.map(lambda x, y: (x, tf.where(tf.equal(x, 5.0), float("nan"), y)))
    with pytest.raises(TrainingError, match=r"the loss is nan at step 3; .*NaN"):
        model.fit(spoilt)


def test_fit_refuses_a_training_without_an_end(regression):
    model, data = regression
    with pytest.raises(ConfigurationError, match=r"repeats for ever as x, .*train_args num_steps"):
        model.fit(data.repeat())
    with pytest.raises(ConfigurationError, match=r"as validation_data.*eval_args num_steps"):
        model.fit(data, validation_data=data.repeat().prefetch(1))
    model.fit(data.repeat(), steps_per_epoch=2)


def test_fit_on_arrays_is_as_before(regression):
    model, _ = regression
    history = model.fit(np.ones((8, 1)), np.ones((8, 1)), batch_size=4, epochs=2, verbose=0)
    assert len(history.history["loss"]) == 2
