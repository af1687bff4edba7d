"""What came of a search: a table, a picture, and the best values.

::

    <output_dir>/
      record.json                  HyperParameters; its uri is this directory
      best_hyperparameters.txt     TFX's name; KerasTuner's configuration, with the space
      trials.json                  each trial: values, score, metrics, seconds, why it failed
      trials.txt, trials.svg       the same as a table, the best first, and as pictures
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from components.tuner.search_state import TOOK_FILE, TRIAL_FILE, Search

BEST_FILE = "best_hyperparameters.txt"
TRIALS_FILE = "trials.json"
TABLE_FILE = "trials.txt"
PICTURE_FILE = "trials.svg"
_STATUS = {"COMPLETED": "completed", "FAILED": "failed", "INVALID": "failed"}
_INTERNAL = "tuner/"
_MAX_REASON = 60
_PANEL_INCHES = (4.2, 3.0)
_NUM_COLUMNS = 3
_MAX_LABELS = 20


@dataclass(frozen=True)
class Trial:
    """One trial."""

    trial: str
    status: str
    """``completed``, ``failed``, or ``unfinished``: the time was over."""
    values: dict[str, Any]
    score: float | None
    """What the objective was at the best epoch."""
    metrics: dict[str, float | None]
    """All that was reported at that epoch."""
    seconds: float | None
    reason: str | None
    """Why it failed."""


def read_trials(project: Path) -> list[Trial]:
    """Return all trials in the order of their start."""
    return [_read_trial(path) for path in sorted(project.glob(f"trial_*/{TRIAL_FILE}"))]


def _read_trial(path: Path) -> Trial:
    state = json.loads(path.read_text(encoding="utf-8"))
    took = path.with_name(TOOK_FILE)
    status = _STATUS.get(state["status"], "unfinished")
    values = state["hyperparameters"]["values"]
    return Trial(
        trial=state["trial_id"],
        status=status,
        values={name: value for name, value in values.items() if not name.startswith(_INTERNAL)},
        score=_finite(state["score"]) if status == "completed" else None,
        metrics={
            name: _at(history["observations"], state["best_step"])
            for name, history in state["metrics"]["metrics"].items()
        },
        seconds=json.loads(took.read_text())["seconds"] if took.is_file() else None,
        reason=state["message"] if status == "failed" else None,
    )


def _at(observations: list[dict[str, Any]], step: int | None) -> float | None:
    """Return a metric's mean over the executions of one step."""
    values = [value for one in observations if one["step"] == step for value in one["value"]]
    return _finite(sum(values) / len(values)) if values else None


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def ranked(trials: Sequence[Trial], direction: str) -> list[Trial]:
    """Return the trials with a score, the best first; of equals the one that started first."""
    scored = [(trial.score, trial) for trial in trials if trial.score is not None]
    sign = -1.0 if direction == "max" else 1.0
    return [trial for _, trial in sorted(scored, key=lambda pair: sign * pair[0])]


def write(directory: Path, trials: Sequence[Trial], search: Search, story: dict[str, Any]) -> None:
    """Write the table, the picture and the best trial's configuration.

    Args:
        directory: of the artifact that is being made.
        trials: at least one of them has a score.
        search: what was searched.
        story: what else is known; JSON types.
    """
    best = ranked(trials, search.direction)[0]
    state = Path(search.project) / f"trial_{best.trial}" / TRIAL_FILE
    config = json.loads(state.read_text(encoding="utf-8"))["hyperparameters"]
    (directory / BEST_FILE).write_text(json.dumps(config), encoding="utf-8")
    facts = {
        "objective": search.objective,
        "direction": search.direction,
        "best": best.trial,
        "trials": [asdict(trial) for trial in trials],
        **story,
    }
    text = json.dumps(facts, indent=1, allow_nan=False, ensure_ascii=False)
    (directory / TRIALS_FILE).write_text(text + "\n", encoding="utf-8")
    (directory / TABLE_FILE).write_text(table(trials, search) + "\n", encoding="utf-8")
    draw(trials, search, directory / PICTURE_FILE)


def table(trials: Sequence[Trial], search: Search) -> str:
    """Return the trials as text: the best first, then those without a score."""
    from tabulate import tabulate

    best = ranked(trials, search.direction)
    names = list(dict.fromkeys(name for trial in trials for name in trial.values))
    rows = [
        [
            trial.trial,
            "–" if trial.score is None else f"{trial.score:.6g}",
            "–" if trial.seconds is None else f"{trial.seconds:.1f}",
            *(_shown(trial.values.get(name, "–")) for name in names),
            trial.status if trial.reason is None else f"failed: {trial.reason}"[:_MAX_REASON],
        ]
        for trial in [*best, *(trial for trial in trials if trial.score is None)]
    ]
    headers = ["trial", search.objective, "seconds", *names, "outcome"]
    return tabulate(rows, headers, disable_numparse=True)


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def draw(trials: Sequence[Trial], search: Search, path: Path) -> None:
    """Draw the scores in the order of the trials, and against each hyperparameter."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    scored = [trial for trial in trials if trial.score is not None]
    names = list(dict.fromkeys(name for trial in scored for name in trial.values))
    num_rows = -(-(1 + len(names)) // _NUM_COLUMNS)
    width, height = _PANEL_INCHES
    figure = Figure(figsize=(width * _NUM_COLUMNS, height * num_rows), layout="constrained")
    FigureCanvasSVG(figure)
    panels = figure.subplots(num_rows, _NUM_COLUMNS, squeeze=False).flat
    for axes in panels[len(names) + 1 :]:
        axes.set_axis_off()
    _draw_order(panels[0], scored, search)
    for axes, name in zip(panels[1:], names, strict=False):
        _draw_values(axes, scored, search, name)
    with mpl.rc_context({"svg.hashsalt": "trials"}):  # the same picture has the same bytes
        figure.savefig(path, format="svg", metadata={"Date": None})


def _draw_order(axes: Any, scored: Sequence[Trial], search: Search) -> None:
    better = max if search.direction == "max" else min
    scores = [float(trial.score or 0.0) for trial in scored]
    best = [better(scores[: index + 1]) for index in range(len(scores))]
    places = range(len(scored))
    axes.plot(places, scores, "o", label="trial")
    axes.step(places, best, where="post", label="best so far")
    if len(scored) <= _MAX_LABELS:
        axes.set_xticks(places, [trial.trial for trial in scored])
    axes.set(xlabel="trial", ylabel=search.objective)
    axes.legend()
    axes.grid(alpha=0.3)


def _draw_values(axes: Any, scored: Sequence[Trial], search: Search, name: str) -> None:
    points = [(trial.values[name], trial.score) for trial in scored if name in trial.values]
    is_number = all(type(value) in (int, float) for value, _ in points)
    scores = [score for _, score in points]
    if is_number:
        axes.plot([value for value, _ in points], scores, "o")
    else:
        labels = sorted({str(value) for value, _ in points})
        axes.plot([labels.index(str(value)) for value, _ in points], scores, "o")
        axes.set_xticks(range(len(labels)), labels)
    if is_number and any(
        hp["config"].get("sampling") == "log" for hp in search.space if hp["config"]["name"] == name
    ):
        axes.set_xscale("log")
    axes.set(xlabel=name, ylabel=search.objective)
    axes.grid(alpha=0.3)
