"""What the processes of a search tell each other by files.

::

    <working_dir>/
      search.json              once, by the first worker: objective, direction, space, project
      oracle.lock              held while the oracle's state is read and written
      <project>/oracle.json    KerasTuner's
      <project>/trial_<id>/trial.json, took.json    KerasTuner's; how long it took
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SEARCH_FILE = "search.json"
LOCK_FILE = "oracle.lock"
ORACLE_FILE = "oracle.json"
TRIAL_FILE = "trial.json"
TOOK_FILE = "took.json"


@dataclass(frozen=True)
class WorkerSpec:
    """What a worker of a search is told, besides its `ChildSpec`."""

    name: str
    workers: tuple[str, ...]
    """All that run now; trials of any other are to be repeated."""
    max_trials: int | None = None
    has_deadline: bool = False
    died: str = ""
    """Of what the process before this one died, in the middle of a trial."""


@dataclass(frozen=True)
class Search:
    """What is searched, as the user's tuner has it."""

    project: str
    """KerasTuner's folder."""
    objective: str
    direction: str
    """``min`` or ``max``."""
    space: list[dict[str, Any]]
    """KerasTuner's, before the first trial."""
    max_trials: int | None
    """Of the tuner itself or of the budget, whichever is less."""


def read_search(working_dir: Path) -> Search | None:
    """Return what is searched; None before a worker has said so."""
    path = working_dir / SEARCH_FILE
    return Search(**json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None


def write_search(working_dir: Path, search: Search) -> None:
    """Say what is searched."""
    write_json(working_dir / SEARCH_FILE, asdict(search))


def ongoing_run(working_dir: Path, worker: str) -> tuple[str, int] | None:
    """Return which trial a worker was in the middle of when it last wrote, and its how many-th run.

    Returns:
        None: it was in none.
    """
    search = read_search(working_dir)
    oracle = None if search is None else Path(search.project) / ORACLE_FILE
    if oracle is None or not oracle.is_file():
        return None
    state = json.loads(oracle.read_text(encoding="utf-8"))
    trial = state["ongoing_trials"].get(worker)
    return None if trial is None else (trial, state["run_times"].get(trial, 0))


def write_json(path: str | Path, value: Any) -> str:
    """Write JSON so that the file is either the old or the new one, whatever is killed; return it.

    NaN is written as Python does: it is what KerasTuner reads again.
    """
    text = json.dumps(value)
    partial = Path(f"{path}.{os.getpid()}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
    return text
