"""What a training leaves beside the model, for people: facts, curves, and how to see more.

::

    <output_dir>/
      training.json           versions, Keras, seed, the model's signatures, its size
      progress.jsonl          one point of the curves per line: {"step": …, "metrics": {…}}
      training_curves.svg     drawn from them
      model_run/              TensorBoard's logs, where the module writes some
"""

import json
import logging
from collections import defaultdict
from pathlib import Path
from typing import Any

from components.records import Model
from components.trainer.arguments import RUN_DIRECTORY

TRAINING_FILE = "training.json"
POINTS_FILE = "progress.jsonl"
CURVES_FILE = "training_curves.svg"
Curves = dict[str, list[tuple[int, float]]]
_EVALUATION = "val_"
_PANEL_INCHES = (6.4, 3.2)
_log = logging.getLogger("components.trainer")


def write(directory: Path, final: Path, model: Model, story: dict[str, Any]) -> None:
    """Write the facts and the curves.

    Args:
        directory: of the artifact that is being made.
        final: where it will be.
        model: its record.
        story: what is known of the training; JSON types.
    """
    curves = read_curves(directory / POINTS_FILE)
    if curves:
        draw(curves, directory / CURVES_FILE)
    last = {name: values[-1][1] for name, values in curves.items()}
    command = _tensorboard_command(directory, final)
    if command is not None:
        _log.info("TensorBoard: %s", command)
    facts = {
        "model_digest": model.digest,
        "num_bytes": model.num_bytes,
        "steps": max((values[-1][0] for values in curves.values()), default=None),
        "metrics": last,
        "curves": str(final / CURVES_FILE) if curves else None,
        "tensorboard": command,
        **story,
    }
    text = json.dumps(facts, indent=1, allow_nan=False, ensure_ascii=False)
    (directory / TRAINING_FILE).write_text(text + "\n", encoding="utf-8")


def read_curves(path: Path) -> Curves:
    """Return (step, value) pairs by metric; empty where nothing was reported."""
    curves: Curves = defaultdict(list)
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            point = json.loads(line)
            for name, value in point["metrics"].items():
                curves[name].append((point["step"], value))
    return dict(curves)


def draw(curves: Curves, path: Path) -> None:
    """Draw one panel per metric; that of the evaluation data goes into the same panel."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    panels = sorted({name.removeprefix(_EVALUATION) for name in curves})
    width, height = _PANEL_INCHES
    figure = Figure(figsize=(width, height * len(panels)), layout="constrained")
    FigureCanvasSVG(figure)
    for axes, panel in zip(figure.subplots(len(panels), squeeze=False)[:, 0], panels, strict=True):
        for name, title in ((panel, "training"), (_EVALUATION + panel, "evaluation")):
            if name in curves:
                steps, values = zip(*curves[name], strict=True)
                axes.plot(steps, values, label=title, marker="." if len(steps) < 20 else None)
        axes.set(xlabel="step", ylabel=panel)
        axes.legend()
        axes.grid(alpha=0.3)
    figure.savefig(path, format="svg", metadata={"Date": None})


def _tensorboard_command(directory: Path, final: Path) -> str | None:
    has_logs = any((directory / RUN_DIRECTORY).rglob("events.out.tfevents*"))
    return f"tensorboard --logdir {final / RUN_DIRECTORY}" if has_logs else None
