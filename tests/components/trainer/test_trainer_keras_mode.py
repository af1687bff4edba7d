"""The source of a module says which Keras it was written for."""

import pytest

from components.errors import ConfigurationError
from components.trainer.keras_mode import choose


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import tf_keras", "Keras 2 by name"),
        ("import tensorflow_hub as hub\nhub.KerasLayer('x')", "TensorFlow Hub are Keras 2"),
        ("tf.keras.layers.DenseFeatures([])", "no DenseFeatures"),
        ("from tensorflow.keras.layers import DenseFeatures", "no DenseFeatures"),
        ("a = tf.feature_column.numeric_column('x')", "feature columns need Keras 2"),
        ("o = tf.keras.optimizers.legacy.Adam()", "no legacy optimizers"),
        ("from tensorflow.keras.optimizers.legacy import Adam", "no legacy optimizers"),
        ("o = keras.optimizers.Adam(lr=0.1)", "no argument lr"),
        ("o = Adam(learning_rate=1.0, decay=0.1)", "no argument decay"),
        ("model.fit(x, workers=4)", "no argument workers"),
        ("tf.keras.layers.experimental.preprocessing.Rescaling(2)", "no layers.experimental"),
        ("def f():\n  x = tf.keras.Input((1,))\n  return tf.expand_dims(x, 1)", "no tf operation"),
        ("def f():\n  x = [Input((1,)) for _ in 'ab']\n  tf.concat(x, 1)", "no tf operation"),
        ("def f():\n  x = {}\n  x['a'] = Input((1,))\n  tf.add(x['a'], 1)", "no tf operation"),
        ("def f():\n  x = []\n  x.append(Input((1,)))\n  tf.concat(x, 1)", "no tf operation"),
        (
            "def f():\n  x = {'a': Input((1,))}\n  tf.concat(list(x.values()), 1)",
            "no tf operation",
        ),
        ("p = model.get_layer('a').get_output_at(0)", "no get_output_at"),
    ],
)
def test_finds_what_needs_keras_2(tmp_path, source, reason):
    (tmp_path / "taxi.py").write_text("import tensorflow as tf\n" + source)
    choice = choose(tmp_path / "taxi.py")
    assert choice.version == 2
    assert choice.reason.startswith("taxi.py, line ")
    assert reason in choice.reason


@pytest.mark.parametrize(
    "source",
    [
        "import tensorflow as tf\nmodel.save('d', save_format='tf', signatures={})",
        "def f():\n  x = tf.keras.Input((1,))\n  return tf.keras.layers.Dense(1)(x)",
        "schedule = Cosine(decay=3); fit_something(lr=3)",
        "def f():\n  x = [Input((1,))]\n  def g(x):\n    return tf.concat(x, 1)\n  return g",
        "def f():\n  x = [Input((1,))]\n  return tf.keras.Model(x, tf.keras.layers.add(x))",
        "def run_fn(:",
        "",
    ],
)
def test_takes_keras_3_where_nothing_needs_the_other(tmp_path, source):
    (tmp_path / "taxi.py").write_text(source)
    assert choose(tmp_path / "taxi.py").version == 3


def test_looks_into_what_lies_beside_the_module(tmp_path):
    (tmp_path / "taxi.py").write_text("from tfx.examples.taxi import base\nimport base")
    (tmp_path / "base.py").write_text("import layers, taxi")
    (tmp_path / "layers.py").write_text("\n\nx = layers.DenseFeatures([])")
    (tmp_path / "unused.py").write_text("import tf_keras")
    choice = choose(tmp_path / "taxi.py")
    assert (choice.version, choice.reason[:17]) == (2, "layers.py, line 3")


def test_prefers_keras_3_where_both_are_used_and_says_so(tmp_path):
    (tmp_path / "taxi.py").write_text("import keras\nkeras.ops.sum(x)\nAdam(lr=1)")
    choice = choose(tmp_path / "taxi.py")
    assert choice.version == 3
    assert "line 2: keras.ops is Keras 3's, although taxi.py, line 3" in choice.reason


def test_does_what_it_is_told(tmp_path):
    (tmp_path / "taxi.py").write_text("import tf_keras")
    assert choose(tmp_path / "taxi.py", 3).version == 3
    (tmp_path / "taxi.py").write_text("import keras.ops")
    assert choose(tmp_path / "taxi.py", "legacy").version == 2
    with pytest.raises(ConfigurationError, match="keras is 4; expected 2, 3, 'legacy'"):
        choose(tmp_path / "taxi.py", 4)
