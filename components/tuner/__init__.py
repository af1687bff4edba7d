"""Searches hyperparameters by a user's ``tuner_fn``: KerasTuner, in processes of its own.

::

    <task>/
      .tuning-4f1c09ab12345678/    of a search that isn't done; named by the recipe
        search.json                the objective and the space; see `components.tuner.search_state`
        elapsed_seconds            what it has taken of its time, over all tries
        <project>/                 KerasTuner's: oracle.json, trial_<id>/trial.json, checkpoints
      1-6e7a0b1c/                  the artifact; see `components.tuner.results`

Each worker process has a tuner of its own; they share one oracle, whose state is on disk. So a
search that was killed goes on, and a trial whose process dies costs that trial alone.
The calling process imports neither TensorFlow nor the user's module.
"""

from components.tuner.tuning import tune

__all__ = ["tune"]
