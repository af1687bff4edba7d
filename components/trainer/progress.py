"""Says how a training gets on, and keeps the numbers that its curves are drawn from.

Keras' ``fit`` is given one by itself; a loop of one's own uses it directly::

    progress = Progress(num_steps=fn_args.train_steps, batch_size=64)
    for features, labels in dataset.take(fn_args.train_steps):
        progress.step(loss=train_step(features, labels))
"""

import atexit
import functools
import json
import logging
import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from components.errors import TrainingError

FILE_VARIABLE = "IMPRIMATUR_PROGRESS_FILE"
"""Names the file of JSON lines that points are added to, if any."""
SECONDS_BETWEEN_LINES = 10.0
SECONDS_BETWEEN_WRITES = 1.0
MAX_POINTS = 500
"""After so many points of the curves only every second step makes one, then every fourth, …"""
_log = logging.getLogger("components.trainer.progress")


class Progress:
    """Counts the steps of one training.

    Args:
        num_steps: how many there will be; None where it isn't known.
        batch_size: examples in a step; None where it isn't known.
        file: where points go; None takes the file that the trainer named.
        clock: seconds.
    """

    def __init__(
        self,
        *,
        num_steps: int | None = None,
        batch_size: int | None = None,
        file: str | Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.num_steps = num_steps
        self.batch_size = batch_size
        self._file = file or os.environ.get(FILE_VARIABLE) or None
        self._pending: list[dict[str, Any]] = []
        self._written_at = clock()
        self._clock = clock
        if self._file is not None:
            atexit.register(self.flush)
        self._step = 0
        self._stride = 1
        self._num_points = 0
        self._started_at: float | None = None
        self._first_step = 0
        self._shown_at = clock()

    @property
    def steps_done(self) -> int:
        """The number of the last step."""
        return self._step

    def step(
        self, *, loss: Any = None, metrics: Mapping[str, Any] | None = None, num_steps: int = 1
    ) -> None:
        """Count a step that has been done.

        Args:
            loss: a number or a tensor with one.
            metrics: more of these, by name.
            num_steps: how many steps it was.

        Raises:
            TrainingError: the loss is NaN or infinite.
        """
        values = {**({} if loss is None else {"loss": loss}), **(metrics or {})}
        self._step += num_steps
        now = self._clock()
        if self._started_at is None:  # the first step builds the graph, and says nothing of speed
            self._started_at, self._first_step = now, self._step
        self.check_finite(values.get("loss"))
        if self._step % self._stride < num_steps:
            self._add_point(values)
            if now - self._written_at >= SECONDS_BETWEEN_WRITES:
                self.flush()
        if now - self._shown_at >= SECONDS_BETWEEN_LINES:
            self._shown_at = now
            _log.info("%s", self._line(values, now))

    def epoch(self, number: int, num_epochs: int | None, metrics: Mapping[str, Any]) -> None:
        """Say what came out of a pass over the data.

        Args:
            number: the first is 1.
            num_epochs: how many there will be.
            metrics: by name; ``val_…`` for those on the evaluation data.
        """
        self._add_point(metrics, epoch=number)
        self.flush()
        now = self._clock()
        title = f"epoch {number}" + ("" if num_epochs is None else f"/{num_epochs}")
        self._shown_at = now
        _log.info("%s: %s", title, self._line(metrics, now))

    def check_finite(self, loss: Any) -> None:
        """Refuse to go on with a loss that is no number.

        Raises:
            TrainingError: it is NaN or infinite.
        """
        if loss is not None and not math.isfinite(float(loss)):
            raise TrainingError(
                f"the loss is {float(loss)} at step {self._step}; nothing useful can come after "
                "that: look for NaN or infinite values in the examples, lower the learning rate, "
                "or clip the gradients"
            )

    def _add_point(self, values: Mapping[str, Any], **more: int) -> None:
        if self._file is None:
            return
        numbers = {name: _number(value) for name, value in values.items()}
        point = {
            "step": self._step,
            **more,
            "metrics": {name: number for name, number in numbers.items() if number is not None},
        }
        self._pending.append(point)
        self._num_points += 1
        if self._num_points % MAX_POINTS == 0:
            self._stride *= 2

    def flush(self) -> None:
        """Write the points that wait: one at a time would cost a short step some percent."""
        self._written_at = self._clock()
        if self._file is not None and self._pending:
            lines = [json.dumps(point, allow_nan=False) + "\n" for point in self._pending]
            self._pending.clear()
            os.write(_descriptor(str(self._file)), "".join(lines).encode())

    def _line(self, values: Mapping[str, Any], now: float) -> str:
        of = "" if self.num_steps is None else f"/{self.num_steps:,}"
        numbers = {name: _number(value) for name, value in values.items()}
        parts = [f"step {self._step:,}{of}"]
        parts += [f"{name} {value:.4g}" for name, value in numbers.items() if value is not None]
        rate = self._steps_per_second(now)
        if rate is not None:
            by = self.batch_size
            parts.append(f"{rate:,.1f} steps/s" if by is None else f"{rate * by:,.0f} examples/s")
            if self.num_steps is not None and self.num_steps > self._step:
                parts.append(f"{_duration((self.num_steps - self._step) / rate)} left")
        return ", ".join(parts)

    def _steps_per_second(self, now: float) -> float | None:
        if self._started_at is None or self._step == self._first_step or now <= self._started_at:
            return None
        return (self._step - self._first_step) / (now - self._started_at)


@functools.cache
def _descriptor(path: str) -> int:
    """Open a file once for the life of the process: opening it at each step would cost more."""
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
