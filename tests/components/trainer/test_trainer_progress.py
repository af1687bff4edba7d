"""A training says how it gets on, and ends when nothing useful can come any more."""

import json
import logging

import pytest

from components.errors import TrainingError
from components.trainer import report
from components.trainer.progress import MAX_POINTS, SECONDS_BETWEEN_WRITES, Progress


class Clock:
    """Seconds that a test passes."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_says_step_loss_speed_and_time_left(clock, caplog):
    caplog.set_level(logging.INFO)
    progress = Progress(num_steps=1100, batch_size=32, clock=clock)
    for _ in range(81):
        progress.step(loss=0.25, metrics={"auc": 0.5})
        clock.now += 0.125
    lines = [record.getMessage() for record in caplog.records]
    assert lines == ["step 81/1,100, loss 0.25, auc 0.5, 256 examples/s, 2 min 7 s left"]


def test_says_steps_per_second_where_the_batch_size_is_not_known(clock, caplog):
    caplog.set_level(logging.INFO)
    progress = Progress(clock=clock)
    progress.step()
    clock.now += 20
    progress.step(loss=None, num_steps=10)
    assert caplog.messages == ["step 11, 0.5 steps/s"]


def test_says_what_an_epoch_gave(clock, caplog):
    caplog.set_level(logging.INFO)
    progress = Progress(clock=clock)
    progress.step(loss=2.0)
    progress.epoch(1, 3, {"loss": 2.0, "val_loss": 1.5})
    assert caplog.messages == ["epoch 1/3: step 1, loss 2, val_loss 1.5"]


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_ends_at_the_step_whose_loss_is_not_finite(clock, loss):
    progress = Progress(clock=clock)
    progress.step(loss=1.0)
    with pytest.raises(TrainingError, match=r"the loss is (nan|inf) at step 2; .*learning rate"):
        progress.step(loss=loss)


def test_keeps_points_fewer_as_it_gets_longer(clock, tmp_path):
    file = tmp_path / "points.jsonl"
    progress = Progress(file=file, clock=clock)
    for step in range(4 * MAX_POINTS):
        progress.step(loss=float(step), metrics={"text": "no number", "bad": float("nan")})
    assert not file.exists()  # no time has passed
    clock.now += SECONDS_BETWEEN_WRITES
    progress.step(loss=float(4 * MAX_POINTS), num_steps=8)
    points = [json.loads(line) for line in file.read_text().splitlines()]
    assert points[0] == {"step": 1, "metrics": {"loss": 0.0}}
    assert MAX_POINTS < len(points) < 3 * MAX_POINTS
    steps = [point["step"] for point in points]
    assert steps == sorted(set(steps))
    assert all(point["metrics"]["loss"] == point["step"] - 1 for point in points[:-1])


def test_draws_what_was_kept(clock, tmp_path):
    file = tmp_path / "points.jsonl"
    progress = Progress(file=file, clock=clock)
    for step in range(5):
        progress.step(loss=1.0 / (step + 1))
    progress.epoch(1, 1, {"loss": 0.2, "val_loss": 0.3, "auc": 0.7})
    curves = report.read_curves(file)
    assert curves["loss"] == [(1, 1.0), (2, 0.5), (3, 1 / 3), (4, 0.25), (5, 0.2), (5, 0.2)]
    assert (curves["val_loss"], curves["auc"]) == ([(5, 0.3)], [(5, 0.7)])
    report.draw(curves, tmp_path / "curves.svg")
    drawn = (tmp_path / "curves.svg").read_text()
    assert drawn.count('<g id="axes_') == 2
    assert '<g id="legend_1">' in drawn


def test_draws_nothing_where_nothing_was_kept(tmp_path):
    assert report.read_curves(tmp_path / "none.jsonl") == {}
