"""Stands around each trial: what it is called in the log, why it failed, what ends the search."""

import logging
import sys
import traceback
from typing import Any

from keras_tuner.errors import FatalError

from components.errors import EXIT_USAGE, ConfigurationError, ImprimaturError

_PROGRESS = "components.trainer.progress"
_log = logging.getLogger("components.tuner")


class SearchEndedError(FatalError):  # type: ignore[misc]
    """What even a tuner doesn't go on after.

    Args:
        reason: why.
    """

    def __init__(self, reason: ImprimaturError) -> None:
        super().__init__(str(reason))
        self.reason = reason


class TrialWatch(logging.Filter):
    """Watches the trials of one tuner.

    Args:
        tuner: whose `run_trial` is wrapped.
        seed: each trial begins with it, so that trials differ by their values alone.
    """

    def __init__(self, tuner: Any, seed: int) -> None:
        super().__init__()
        self.reasons: dict[str, str] = {}
        """By trial."""
        self._title = ""
        self._seed = seed
        self._objective = tuner.oracle.objective
        self._run_trial = tuner.run_trial
        tuner.run_trial = self._run
        logging.getLogger(_PROGRESS).addFilter(self)

    def begin(self, trial: Any) -> None:
        """Say that a trial starts."""
        self._title = f"trial {trial.trial_id}"
        self.reasons.pop(trial.trial_id, None)
        values = trial.hyperparameters.values
        text = ", ".join(f"{name} {value!r}" for name, value in values.items())
        _log.info("%s starts: %s", self._title, text or "nothing to choose")
        sys.modules["keras"].utils.set_random_seed(self._seed)

    def filter(self, record: logging.LogRecord) -> bool:
        """Put the trial before the progress of its training."""
        record.msg, record.args = f"{self._title}, {record.getMessage()}", ()
        return True

    def _run(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            results = self._run_trial(trial, *args, **kwargs)
            self._check_objective(results)
        except FatalError:
            raise
        except Exception as error:
            first = (str(error).strip().splitlines() or [""])[0]
            named = f"{type(error).__name__}: {first}"
            if isinstance(error, ImprimaturError):
                if error.exit_code == EXIT_USAGE:
                    traceback.print_exc()
                    raise SearchEndedError(error) from error
                named = first
            self.reasons[trial.trial_id] = named
            raise
        return results

    def _check_objective(self, results: Any) -> None:
        """Refuse an objective that trainings don't report: no trial could ever be scored.

        Raises:
            ConfigurationError: naming it and what they report.
        """
        wanted = list(getattr(self._objective, "name_to_direction", [self._objective.name]))
        for result in results if isinstance(results, list) else [results]:
            reported = getattr(result, "history", None)
            if isinstance(reported, dict) and not set(wanted) <= reported.keys():
                raise ConfigurationError(
                    f"the tuner's objective is {' and '.join(wanted)}, but a training reports "
                    f"{', '.join(sorted(reported)) or 'nothing'}; name one of these, or have fit "
                    "report it: val_… needs validation_data"
                )
