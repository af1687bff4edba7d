"""Gives every ``fit`` of Keras, 2 or 3, the trainer's progress, and refuses one without an end.

``train_on_batch`` is watched as well: loops of one's own are often made of it.
"""

import functools
import inspect
import threading
import weakref
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from components.errors import ConfigurationError
from components.trainer.progress import Progress

_INFINITE = -1
"""`tf.data.INFINITE_CARDINALITY`."""


def watch_fit(keras: ModuleType) -> None:
    """Wrap ``fit`` of all models of this package.

    Args:
        keras: ``keras`` (3) or ``tf_keras``.
    """
    owner = next(base for base in keras.Model.__mro__ if "fit" in vars(base))
    original = owner.fit
    signature = inspect.signature(original)
    progress_class = _callback_class(keras)

    @functools.wraps(original)
    def fit(self: Any, *args: Any, **kwargs: Any) -> Any:
        given = signature.bind(self, *args, **kwargs)
        _refuse_endless(given.arguments)
        batch_size = given.arguments.get("batch_size") or _batch_size(given.arguments.get("x"))
        callback = progress_class(Progress(batch_size=batch_size))
        given.arguments["callbacks"] = _with_callback(given.arguments.get("callbacks"), callback)
        given.arguments.setdefault("verbose", 0)  # its bar is for terminals
        if hasattr(given.arguments.get("x"), "cardinality"):
            given.arguments.setdefault("shuffle", False)  # means nothing there; Keras 3 would warn
        return original(*given.args, **given.kwargs)

    owner.fit = fit
    _watch_batches(keras)


def _watch_batches(keras: ModuleType) -> None:
    owner = next(base for base in keras.Model.__mro__ if "train_on_batch" in vars(base))
    original = owner.train_on_batch
    watched: weakref.WeakKeyDictionary[Any, Progress] = weakref.WeakKeyDictionary()

    @functools.wraps(original)
    def train_on_batch(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        progress = watched.setdefault(self, Progress())
        if isinstance(result, dict):
            progress.step(metrics=result)
        else:  # the loss alone, or in front of the metrics
            progress.step(loss=result[0] if isinstance(result, list | tuple) else result)
        return result

    owner.train_on_batch = train_on_batch


def _callback_class(keras: ModuleType) -> Any:
    class TrainingProgress(keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        """Tells `Progress` what Keras says."""

        def __init__(self, progress: Progress) -> None:
            super().__init__()
            self.async_safe = True  # Keras 3 needn't wait for the numbers of each step
            self._lock = threading.Lock()
            self._progress = progress
            self._batches_done = 0

        def on_train_begin(self, logs: Any = None) -> None:
            steps, epochs = self.params.get("steps"), self.params.get("epochs")
            if steps and epochs:
                self._progress.num_steps = steps * epochs

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self._batches_done = 0

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            with self._lock:
                new = batch + 1 - self._batches_done
                if new <= 0:  # a later step was quicker to come here
                    self._progress.check_finite((logs or {}).get("loss"))
                    return
                self._batches_done = batch + 1
                self._progress.step(metrics=logs or {}, num_steps=new)

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self._progress.epoch(epoch + 1, self.params.get("epochs"), logs or {})

    return TrainingProgress


def _with_callback(callbacks: Any, callback: Any) -> Any:
    if callbacks is None:
        return [callback]
    if hasattr(callbacks, "append") and not isinstance(callbacks, list):  # a CallbackList
        callbacks.append(callback)
        return callbacks
    return [*callbacks, callback] if isinstance(callbacks, list | tuple) else [callbacks, callback]


def _refuse_endless(arguments: dict[str, Any]) -> None:
    """Refuse what Keras 3 would train on for ever.

    Raises:
        ConfigurationError: a dataset without an end, and no number of steps.
    """
    for name, steps, setting in (
        ("x", "steps_per_epoch", "train_args"),
        ("validation_data", "validation_steps", "eval_args"),
    ):
        if arguments.get(steps) is None and _is_endless(arguments.get(name)):
            raise ConfigurationError(
                f"fit was given a dataset that repeats for ever as {name}, and no {steps}: it "
                f"would never end. Give {setting} num_steps, or don't repeat the dataset"
            )


def _is_endless(data: Any) -> bool:
    cardinality = getattr(data, "cardinality", None)
    return callable(cardinality) and int(cardinality()) == _INFINITE


def _batch_size(data: Any) -> int | None:
    """Return the size of a dataset's batches, where it or one it is made of says so."""
    for dataset in _origins(data):
        size = getattr(dataset, "_batch_size", None)
        if size is not None:
            return int(size)
    return None


def _origins(dataset: Any) -> Iterator[Any]:
    while dataset is not None:
        yield dataset
        dataset = getattr(dataset, "_input_dataset", None)
