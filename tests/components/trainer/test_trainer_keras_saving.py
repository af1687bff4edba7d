"""What Keras 3 broke works again: models saved in the ways of Keras 2 can be served."""

import importlib

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
    monkeypatch.setattr(tf.saved_model, "save", tf.saved_model.save)
    owner = next(base for base in keras.Model.__mro__ if "fit" in vars(base))
    monkeypatch.setattr(owner, "fit", owner.fit)
    mend_keras(keras)
    mend_tensorflow(tf)
    watch_fit(keras)
    return keras


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
