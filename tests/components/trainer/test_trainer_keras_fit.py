"""Loops of one's own over ``train_on_batch`` are watched as ``fit`` is."""

import json

import numpy as np
import pytest

from components.errors import TrainingError
from components.trainer import progress
from components.trainer.keras_fit import watch_fit


@pytest.fixture(params=["keras", "tf_keras"])
def model(request, monkeypatch):
    """A model of Keras 3 or 2, compiled, watched; both packages are as before afterwards."""
    keras = pytest.importorskip(request.param)
    for name in ("fit", "train_on_batch"):
        owner = next(base for base in keras.Model.__mro__ if name in vars(base))
        monkeypatch.setattr(owner, name, vars(owner)[name])
    watch_fit(keras)
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    return model


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # within tf_keras
@pytest.mark.parametrize("return_dict", [False, True])
def test_train_on_batch_reports_and_ends_at_a_loss_that_is_no_number(
    model, return_dict, tmp_path, monkeypatch
):
    points = tmp_path / "progress.jsonl"
    monkeypatch.setenv(progress.FILE_VARIABLE, str(points))
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_WRITES", 0.0)
    x, y = np.ones((4, 2), np.float32), np.ones((4, 1), np.float32)
    for _ in range(3):
        model.train_on_batch(x, y, return_dict=return_dict)
    with pytest.raises(TrainingError, match="the loss is nan at step 4; nothing useful"):
        model.train_on_batch(x * np.nan, y, return_dict=return_dict)
    seen = [json.loads(line) for line in points.read_text().splitlines()]
    assert [point["step"] for point in seen] == [1, 2, 3]
    assert seen[0]["metrics"]["loss"] > seen[2]["metrics"]["loss"] >= 0
