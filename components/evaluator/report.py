"""Writes what an evaluation found: ``metrics.json`` for programs, ``report.html`` for people."""

import json
from pathlib import Path
from typing import Any

import jinja2

from components.evaluator import wording
from components.evaluator.judgement import BASELINE, CANDIDATE, Case, finite_or_none
from components.evaluator.slice_key import describe
from components.records import Blessing

METRICS_FILE = "metrics.json"
REPORT_FILE = "report.html"
_MAX_ROWS = 1000
"""Slices in the report; all are in `METRICS_FILE`."""
_TEMPLATE = "report.html.jinja"


def write_metrics(case: Case, blessing: Blessing, directory: Path) -> None:
    """Write every metric and plot of every slice, null where it isn't defined."""
    measurements = case.measurements
    slices = [
        {
            "slice": dict(key),
            "num_examples": int(measurements.num_examples[position]),
            "metrics": {
                metric.name: _values(case, metric.name, position)
                for metric in case.config.metrics
                if not metric.is_plot
            },
            "plots": {
                metric.name: {
                    model: measured.plots[metric.name][position]
                    for model, measured in measurements.models.items()
                }
                for metric in case.config.metrics
                if metric.is_plot
            },
        }
        for position, key in enumerate(measurements.slices)
    ]
    value = {
        "schema_version": 1,
        "model_digest": blessing.subject.digest,
        "baseline": blessing.to_json()["baseline"],
        "slices": slices,
    }
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, indent=1)
    (directory / METRICS_FILE).write_text(text + "\n", encoding="utf-8")


def write_report(case: Case, blessing: Blessing, directory: Path) -> None:
    """Write one HTML file that needs no other."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    slices = case.measurements.slices
    html = environment.get_template(_TEMPLATE).render(
        blessing=blessing,
        baseline_title=case.baseline_title,
        has_baseline=case.has_baseline,
        metrics=[metric for metric in case.config.metrics if not metric.is_plot],
        rows=[_row(case, position) for position in range(min(len(slices), _MAX_ROWS))],
        num_left_out=max(0, len(slices) - _MAX_ROWS),
        metrics_file=METRICS_FILE,
    )
    (directory / REPORT_FILE).write_text(html, encoding="utf-8")


def _values(case: Case, metric: str, position: int) -> dict[str, float | None]:
    return {
        model: finite_or_none(float(measured.values[metric][position]))
        for model, measured in case.measurements.models.items()
    }


def _row(case: Case, position: int) -> dict[str, Any]:
    key = case.measurements.slices[position]
    cells = []
    for metric in case.config.metrics:
        if metric.is_plot:
            continue
        values = _values(case, metric.name, position)
        cells.append((_text(values[CANDIDATE]), _text(values.get(BASELINE))))
    return {
        "name": describe(key).removeprefix("for "),
        "num_examples": f"{int(case.measurements.num_examples[position]):,}",
        "cells": cells,
    }


def _text(value: float | None) -> str:
    return "–" if value is None else wording.numbers(value)[0]
