"""Pieces of trained models, shared on their own: built up front, or cut out later."""

import numpy as np
import pytest

from components.errors import ConfigurationError


@pytest.fixture(scope="module")
def residual():
    """A ResNet in small: two blocks over a stem, pooling, and a classifier."""
    import keras

    keras.utils.set_random_seed(2)
    image = keras.Input((8, 8, 3), name="image")
    value = keras.layers.Conv2D(4, 3, padding="same", kernel_regularizer="l2", name="stem")(image)
    for block in ("block_1", "block_2"):
        inner = keras.layers.Conv2D(4, 3, padding="same", name=f"{block}_conv")(value)
        inner = keras.layers.BatchNormalization(name=f"{block}_normal")(inner)
        value = keras.layers.Add(name=f"{block}_add")([value, inner])
        value = keras.layers.ReLU(name=f"{block}_out")(value)
    pooled = keras.layers.GlobalAveragePooling2D(name="features")(value)
    model = keras.Model(image, keras.layers.Dense(3, name="logits")(pooled), name="resnet")
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    rng = np.random.default_rng(0)
    model.fit(rng.normal(size=(16, 8, 8, 3)), rng.integers(0, 3, 16), verbose=0)
    return model


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(1).normal(size=(2, 8, 8, 3)).astype(np.float32)


def activations(model, images, name):
    """What a layer of the full model gives, computed layer by layer."""
    values = {"image": images}
    layer = model.get_layer
    value = layer("stem")(images)
    values["stem"] = value.numpy()
    for block in ("block_1", "block_2"):
        inner = layer(f"{block}_normal")(layer(f"{block}_conv")(value), training=False)
        value = np.maximum(value + inner, 0.0)
        values[f"{block}_out"] = value
    values["features"] = np.asarray(value).mean(axis=(1, 2))
    return values[name]


def test_exports_the_feature_extractor_of_a_trained_residual_network(residual, images, tmp_path):
    import keras

    from components.saved_model.export import export
    from components.saved_model.piece import piece
    from components.saved_model.reusable_layer import ReusableLayer

    exported = export(piece(residual, outputs="features"), tmp_path / "features")
    layer = ReusableLayer(exported, trainable=True)
    np.testing.assert_allclose(
        layer(images), activations(residual, images, "features"), rtol=1e-4, atol=1e-5
    )
    names = {weight.name for weight in layer.weights}
    assert not any(name.startswith("logits") for name in names)
    assert len(layer.losses) == 1
    head = keras.Sequential([keras.Input((8, 8, 3)), layer, keras.layers.Dense(1)])
    head.compile("sgd", "mse")
    head.fit(images, images[:, 0, 0, :1], verbose=0)


def test_cuts_out_the_middle(residual, images, tmp_path):
    import tensorflow as tf

    from components.saved_model.export import export
    from components.saved_model.piece import piece

    middle = piece(residual, inputs="stem", outputs=["block_1_out", "block_2_out"])
    loaded = tf.saved_model.load(str(export(middle, tmp_path / "middle")))
    first, second = loaded(activations(residual, images, "stem"))
    expected = activations(residual, images, "block_1_out")
    np.testing.assert_allclose(first, expected, rtol=1e-4, atol=1e-5)
    expected = activations(residual, images, "block_2_out")
    np.testing.assert_allclose(second, expected, rtol=1e-4, atol=1e-5)
    assert not any("stem" in v.name or "logits" in v.name for v in loaded.variables)


def test_piece_shares_the_weights_and_leaves_the_model_whole(residual, images):
    from components.saved_model.piece import piece

    before = residual.predict(images, verbose=0)
    cut = piece(residual, inputs="stem", outputs="features")
    assert cut.get_layer("block_1_conv").kernel is residual.get_layer("block_1_conv").kernel
    np.testing.assert_array_equal(residual.predict(images, verbose=0), before)
    again = piece(residual, inputs="stem", outputs="features")
    assert again.output_shape == (None, 4)


def text_encoder():
    """BERT in small: ids of words to a vector for the text and one for each word."""
    import keras

    words = keras.Input((None,), dtype="int32", name="word_ids")
    value = keras.layers.Embedding(50, 8, name="embedding")(words)
    attended = keras.layers.MultiHeadAttention(2, 4, dropout=0.1, name="attention")(value, value)
    sequence = keras.layers.LayerNormalization(name="sequence")(
        keras.layers.Add()([value, attended])
    )
    pooled = keras.layers.Dense(8, "tanh", name="pooled")(sequence[:, 0, :])
    return keras.Model(words, {"sequence": sequence, "pooled": pooled}, name="core_model")


def test_shares_the_core_of_a_pretrainer_that_was_restored_from_a_checkpoint(tmp_path):
    import keras
    import tensorflow as tf

    from components.saved_model.export import export
    from components.saved_model.reusable_layer import ReusableLayer

    def pretrainer(core_model):
        outputs = core_model(core_model.input)
        words = keras.layers.Dense(50, name="masked_word")(outputs["sequence"])
        follows = keras.layers.Dense(1, name="next_sentence")(outputs["pooled"])
        return keras.Model(core_model.input, [words, follows])

    ids = np.array([[1, 2, 3], [4, 5, 6]], np.int32)
    trained_core = text_encoder()
    trained = pretrainer(trained_core)
    word_loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    trained.compile("adam", [word_loss, keras.losses.BinaryCrossentropy(from_logits=True)])
    trained.fit(ids, [ids, np.array([[0.0], [1.0]])], verbose=0)
    path = tf.train.Checkpoint(model=trained).write(str(tmp_path / "pretrained"))

    core_model = text_encoder()  # another process: the core to be shared, the rest to restore it
    restored = tf.train.Checkpoint(model=pretrainer(core_model)).read(path)
    restored.assert_existing_objects_matched().expect_partial()
    exported = export(core_model, tmp_path / "encoder")

    layer = ReusableLayer(exported, trainable=True)
    expected = trained_core(ids)
    found = layer(ids)
    np.testing.assert_allclose(found["pooled"], expected["pooled"], atol=1e-6)
    np.testing.assert_allclose(found["sequence"], expected["sequence"], atol=1e-6)
    assert not any("masked" in weight.name for weight in layer.weights)
    assert len(layer.trainable_weights) == len(core_model.trainable_weights)
    words = keras.Input((None,), dtype="int32")
    classifier = keras.Model(words, keras.layers.Dense(1)(layer(words)["pooled"]))
    classifier.compile("adam", "mse")
    classifier.fit(ids, np.ones((2, 1)), verbose=0)


def test_shares_a_piece_built_up_front(tmp_path):
    import keras
    import tensorflow as tf

    from components.saved_model.export import export

    piece_to_share = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, "relu")])
    full_model = keras.Sequential([piece_to_share, keras.layers.Dense(1)])
    full_model.compile("sgd", "mse")
    data = np.ones((4, 2), np.float32)
    full_model.fit(data, data[:, :1], verbose=0)
    loaded = tf.saved_model.load(str(export(piece_to_share, tmp_path / "piece")))
    np.testing.assert_allclose(loaded(data), piece_to_share.predict(data, verbose=0), atol=1e-6)
    assert len(loaded.trainable_variables) == 2


def test_names_the_layers_there_are(residual):
    from components.saved_model.piece import piece

    with pytest.raises(ConfigurationError, match=r"'resnet' has no layer 'block_9'; it has .*'ste"):
        piece(residual, inputs="block_9", outputs="features")


@pytest.mark.parametrize("outputs", [3, [3], None, {"features": 1}])
def test_says_what_names_no_layer(residual, outputs):
    from components.saved_model.piece import piece

    with pytest.raises(ConfigurationError, match=r"names no layer; expected the name of one"):
        piece(residual, outputs=outputs)


def test_says_which_nested_model_holds_a_layer(residual):
    import keras

    from components.saved_model.piece import piece

    outer = keras.Sequential([keras.Input((8, 8, 3)), residual])
    with pytest.raises(ConfigurationError, match="it is inside 'resnet'"):
        piece(outer, outputs="features")


def test_refuses_outputs_that_need_more_than_the_inputs(residual):
    from components.saved_model.piece import piece

    with pytest.raises(
        ConfigurationError, match="can't be computed from the layers 'block_1_conv'"
    ):
        piece(residual, inputs="block_1_conv", outputs="features")


def test_refuses_a_model_without_layers_to_cut_at():
    import keras

    from components.saved_model.piece import piece

    class Subclassed(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(ConfigurationError, match="isn't a functional or sequential"):
        piece(Subclassed(name="own"), outputs="any")


def test_layers_of_a_sequential_model_whose_input_came_later():
    import keras

    from components.saved_model.piece import piece

    model = keras.Sequential()
    model.add(keras.Input((4,)))
    for units, name in ((3, "a"), (2, "b"), (1, "c")):
        model.add(keras.layers.Dense(units, name=name))
    rows = np.random.default_rng(2).normal(size=(5, 4)).astype(np.float32)

    cut = piece(model, inputs="a", outputs="b")

    inner = model.get_layer("a")(rows)
    np.testing.assert_allclose(cut(inner), model.get_layer("b")(inner), rtol=1e-6)


def test_a_layer_that_another_model_called_first():
    import keras

    from components.saved_model.piece import piece

    shared = keras.layers.Dense(3, name="a")
    other = keras.Input((4,))
    keras.Model(other, shared(other))
    given = keras.Input((4,))
    model = keras.Model(given, keras.layers.Dense(1)(shared(given)))
    rows = np.random.default_rng(2).normal(size=(5, 4)).astype(np.float32)

    np.testing.assert_allclose(piece(model, outputs="a")(rows), shared(rows), rtol=1e-6)
