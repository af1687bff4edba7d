"""An oracle of KerasTuner's that several processes ask, and that survives them.

KerasTuner's own way is a chief process asked by gRPC; it waits for ever for a worker that died, and
forgets what it knew when it is killed itself. Here the state lies on disk, in KerasTuner's own
files, and whoever asks holds a lock, reads them, acts and writes them again.
"""

import json
import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock
from keras_tuner.engine.trial import Trial, TrialStatus

from components.errors import TrainingError
from components.tuner.search_state import (
    LOCK_FILE,
    ORACLE_FILE,
    TOOK_FILE,
    TRIAL_FILE,
    WorkerSpec,
    write_json,
)
from components.tuner.trial_watch import SearchEndedError, TrialWatch

_IDLE_SECONDS = 0.5
_log = logging.getLogger("components.tuner")


class SharedOracle:
    """Takes the place of ``tuner.oracle``, as KerasTuner's `OracleClient` does.

    Args:
        oracle: the tuner's own.
        working_dir: of the search.
        worker: who asks.
        watch: is told of each trial that starts, and knows why one failed.
    """

    def __init__(
        self, oracle: Any, working_dir: Path, worker: WorkerSpec, watch: TrialWatch
    ) -> None:
        self.oracle = oracle
        self._project = Path(oracle._project_dir)
        self._lock = FileLock(working_dir / LOCK_FILE)
        self._worker = worker
        self._watch = watch
        self._started_at: dict[str, float] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.oracle, name)

    @property
    def verbose(self) -> int:
        """None: what it would print stands in the log."""
        return 0

    @verbose.setter
    def verbose(self, value: Any) -> None:
        self.oracle.verbose = 0

    def recover(self) -> None:
        """Take stock before the first question: what was going on when somebody was killed."""
        with self._state():
            for worker, trial in list(self.oracle.ongoing_trials.items()):
                if worker == self._worker.name and self._worker.died and _is_running(trial):
                    self._end(trial, TrialStatus.INVALID, self._worker.died)
                if worker == self._worker.name or worker not in self._worker.workers:
                    self.oracle.ongoing_trials.pop(worker, None)
            ongoing = {trial.trial_id for trial in self.oracle.ongoing_trials.values()}
            waiting = {*ongoing, *self.oracle._retry_queue}
            for trial_id, trial in self.oracle.trials.items():
                if not _is_running(trial):
                    if trial_id not in self.oracle.end_order:
                        self.oracle.end_order.append(trial_id)
                elif trial_id not in waiting:
                    _log.info("trial %s was interrupted; it is repeated", trial_id)
                    self.oracle._retry_queue.append(trial_id)

    def create_trial(self, tuner_id: str) -> Any:
        """Return the next trial; its status says whether there is one, now or ever."""
        with self._state():
            if self._is_used_up():
                space = self.oracle.get_space()
                return Trial(hyperparameters=space, status=TrialStatus.STOPPED)
            trial = self.oracle.create_trial(tuner_id)
        if trial.status == TrialStatus.IDLE:
            time.sleep(_IDLE_SECONDS)
        elif trial.status == TrialStatus.RUNNING:
            self._started_at[trial.trial_id] = time.monotonic()
            self._watch.begin(trial)
        return trial

    def update_trial(self, trial_id: str, metrics: Any, step: int = 0) -> Any:
        """Add metrics of a trial."""
        with self._state():
            return self.oracle.update_trial(trial_id, metrics, step=step)

    def end_trial(self, trial: Any) -> None:
        """Take down how a trial ended, and say so.

        Raises:
            SearchEndedError: too many have failed, one after the other.
        """
        with self._state():
            status, message = trial.status, self._watch.reasons.get(trial.trial_id, trial.message)
            value = self._objective_value(trial.trial_id)
            if status == TrialStatus.COMPLETED and not math.isfinite(value):
                status = TrialStatus.INVALID
                message = f"{self.oracle.objective.name} is {value}"
            seconds = time.monotonic() - self._started_at.pop(trial.trial_id, time.monotonic())
            write_json(self._trial_file(trial.trial_id, TOOK_FILE), {"seconds": seconds})
            self.oracle.trials[trial.trial_id].hyperparameters = trial.hyperparameters
            self._end(self.oracle.trials[trial.trial_id], status, message)

    def get_trial(self, trial_id: str) -> Any:
        """Return a trial."""
        with self._state():
            return self.oracle.get_trial(trial_id)

    def get_best_trials(self, num_trials: int = 1) -> Any:
        """Return the best trials."""
        with self._state():
            return self.oracle.get_best_trials(num_trials)

    def get_space(self) -> Any:
        """Return the search space."""
        with self._state():
            return self.oracle.get_space()

    def update_space(self, hyperparameters: Any) -> None:
        """Add to the search space."""
        with self._state():
            self.oracle.update_space(hyperparameters)

    def save(self) -> None:
        """Do nothing: it is saved at each change."""

    def reload(self) -> None:
        """Do nothing: it is read at each question."""

    @contextmanager
    def _state(self) -> Iterator[None]:
        with self._lock:
            for path in self._project.glob(f"trial_*/{TRIAL_FILE}"):
                trial = Trial.load(str(path))
                self.oracle.trials[trial.trial_id] = trial
            file = self._project / ORACLE_FILE
            if file.is_file():  # not by its `reload`: that would repeat what others are doing
                self.oracle.set_state(json.loads(file.read_text(encoding="utf-8")))
            yield
            self.oracle.save()

    def _end(self, trial: Any, status: str, message: str | None) -> None:
        trial.status, trial.message = status, message
        try:
            self.oracle.end_trial(trial)
        except RuntimeError as error:  # the oracle's only one
            number = self.oracle.max_consecutive_failed_trials
            reason = TrainingError(
                f"{number} trials in a row failed, the last of them, trial {trial.trial_id} with "
                f"{_shown(trial)}, of this: {message}"
            )
            raise SearchEndedError(reason) from error
        if status == TrialStatus.COMPLETED:
            _log.info("trial %s: %s; %s", trial.trial_id, self._score(trial), self._best())
        else:
            _log.warning("trial %s failed: %s; %s", trial.trial_id, message, self._best())

    def _is_used_up(self) -> bool:
        limit = self._worker.max_trials
        return (
            limit is not None and len(self.oracle.trials) >= limit and not self.oracle._retry_queue
        )

    def _objective_value(self, trial_id: str) -> float:
        metrics, name = self.oracle.trials[trial_id].metrics, self.oracle.objective.name
        value = metrics.get_best_value(name) if metrics.exists(name) else None
        return math.nan if value is None else float(value)

    def _trial_file(self, trial_id: str, name: str) -> Path:
        return self._project / f"trial_{trial_id}" / name

    def _score(self, trial: Any) -> str:
        return f"{self.oracle.objective.name} {trial.score:.6g}"

    def _best(self) -> str:
        done = f"{len(self.oracle.end_order)} done"
        best = [
            trial
            for trial in self.oracle.get_best_trials()
            if trial.status == TrialStatus.COMPLETED
        ]
        if not best:
            return f"none was good so far, {done}"
        return f"best so far: trial {best[0].trial_id}, {self._score(best[0])}, {done}"


def _is_running(trial: Any) -> bool:
    return bool(trial.status == TrialStatus.RUNNING)


def _shown(trial: Any) -> dict[str, Any]:
    """Return a trial's values without those that KerasTuner adds for itself."""
    values = trial.hyperparameters.values
    return {name: value for name, value in values.items() if not name.startswith("tuner/")}
