"""All that can be said of a SavedModel without running it, and its model card."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabulate import tabulate

from components.record_parts import Finding
from components.saved_model import export_note
from components.saved_model.description import ModelDescription, TraceDescription, describe
from components.saved_model.export_note import ExportNote
from components.saved_model.lint import lint
from components.saved_model.risky_op import find_risky_ops
from components.saved_model.structured_value import megabytes

_NUM_VARIABLES_SHOWN = 20


@dataclass(frozen=True)
class Inspection:
    """What `inspect` found."""

    description: ModelDescription
    note: ExportNote | None
    findings: Sequence[Finding]
    risky_ops: Sequence[str]
    """Operations that touch files, run Python or programs, or aren't TensorFlow's."""

    def to_json(self) -> dict[str, Any]:
        """Return JSON types."""
        return {
            **self.description.to_json(),
            "note": None if self.note is None else self.note.to_json(),
            "findings": [finding.to_json() for finding in self.findings],
            "risky_ops": list(self.risky_ops),
        }


def inspect(directory: str | Path) -> Inspection:
    """Read a SavedModel and judge how fit it is to be reused.

    Raises:
        InvalidModelError: no SavedModel, or one that can't be read.
    """
    description = describe(directory)
    path = Path(directory) / export_note.FILE
    note = export_note.read(Path(directory)) if path.is_file() else None
    return Inspection(
        description=description,
        note=note,
        findings=lint(description, note),
        risky_ops=[str(op) for op in find_risky_ops(Path(directory))],
    )


def model_card(found: Inspection, *, title: str) -> str:
    """Return Markdown for those who will use or fine-tune the model."""
    sections = [
        f"# {title}",
        _summary(found),
        "## How to build on it",
        _usage(found),
        "## What it takes and gives",
        _calls(found.description.calls),
        _signatures(found.description),
        "## Variables",
        _variables(found.description),
        "## Fit to be fine-tuned?",
        "\n".join(f"- {'✓' if item.passed else '✗'} {item.message}" for item in found.findings),
        "## Operations that do more than compute",
        "\n".join(f"- {op}" for op in found.risky_ops) or "None.",
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


def _summary(found: Inspection) -> str:
    description = found.description
    trained = sum(v.num_bytes for v in description.variables if v.trained)
    return (
        f"A SavedModel of TensorFlow {description.tensorflow_version or '(unknown)'}: "
        f"{megabytes(description.num_bytes)} on disk, "
        f"{megabytes(description.num_parameters_bytes)} of variables, "
        f"{megabytes(trained)} of them trainable. "
        f"Assets: {', '.join(description.assets) or 'none'}."
    )


def _usage(found: Inspection) -> str:
    if not found.description.calls:
        return "It can't be built upon, only served: it has no `__call__`."
    lines = [
        "```python",
        "from components.saved_model.reusable_layer import ReusableLayer",
        "",
        'layer = ReusableLayer("PATH", trainable=True)  # hub.KerasLayer for Keras 2',
        "```",
    ]
    settings = found.note.hyperparameters if found.note is not None else {}
    for name, setting in settings.items():
        lines += [
            "",
            f'- `arguments={{"{name}": …}}`: stands for {", ".join(setting["targets"])}; '
            f"{setting['default']:g} unless given.",
        ]
    return "\n".join(lines)


def _calls(calls: Sequence[TraceDescription]) -> str:
    if not calls:
        return ""
    rows = [
        [", ".join(f"{name}={_text(value)}" for name, value in call.arguments.items()),
         _text(call.outputs)]
        for call in calls
    ]  # fmt: skip
    return tabulate(rows, ["`__call__` with", "gives"], tablefmt="github", disable_numparse=True)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _signatures(description: ModelDescription) -> str:
    rows = [
        [
            name,
            ", ".join(f"{alias}: {text}" for alias, text in signature.inputs.items()),
            ", ".join(f"{alias}: {text}" for alias, text in signature.outputs.items()),
        ]
        for name, signature in description.signatures.items()
    ]
    headers = ["signature", "takes", "gives"]
    return tabulate(rows, headers, tablefmt="github", disable_numparse=True) if rows else ""


def _variables(description: ModelDescription) -> str:
    if not description.has_object_graph:
        return "Not known: the model has no object graph, as those of TensorFlow 1."
    largest = sorted(description.variables, key=lambda v: -v.num_bytes)[:_NUM_VARIABLES_SHOWN]
    rows = [
        [v.name, f"{v.dtype}{v.shape}", megabytes(v.num_bytes), "yes" if v.trained else "no"]
        for v in largest
    ]
    headers = ["variable", "dtype and shape", "size", "trainable"]
    text = tabulate(rows, headers, tablefmt="github", disable_numparse=True)
    more = len(description.variables) - len(largest)
    return f"{text}\n\n… and {more} smaller ones." if more else text
