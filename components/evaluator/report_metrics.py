"""Writes all metrics for programs: ``metrics.json``, and ``metrics.parquet`` as a table."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from components.evaluator.exact_sum import Array
from components.evaluator.judgement import CANDIDATE, Case, finite_or_none
from components.evaluator.slice_key import describe
from components.records import Blessing

METRICS_FILE = "metrics.json"
TABLE_FILE = "metrics.parquet"


def write_metrics(case: Case, blessing: Blessing, directory: Path) -> None:
    """Write every metric and plot of every slice, null where it isn't defined."""
    measurements = case.measurements
    slices = [
        {
            "slice": dict(key),
            "num_examples": int(measurements.num_examples[position]),
            "metrics": {
                metric.name: values_of(case, metric.name, position)
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


def write_table(case: Case, blessing: Blessing, directory: Path) -> None:
    """Write a row for each model, slice and metric, in this order.

    ============  ===================================================================
    model         ``candidate`` or ``baseline``
    model_digest  of its bytes; null where a baseline has none
    slice         as in records, JSON: ``{"origin": "JFK"}``; ``{}`` is all examples
    slice_name    for people: ``origin=JFK``, or ``overall``
    num_examples  in the slice, unweighted
    metric        its name
    value         float64; null where it isn't defined
    ============  ===================================================================
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    measurements = case.measurements
    names = [metric.name for metric in case.config.metrics if not metric.is_plot]
    models = list(measurements.models)
    num_models, num_slices, num_metrics = len(models), len(measurements.slices), len(names)
    values = np.array(
        [[measurements.models[model].values[name] for name in names] for model in models],
        np.float64,
    ).reshape(num_models, num_metrics, num_slices)
    flat = np.swapaxes(values, 1, 2).ravel()
    of_model = np.repeat(np.arange(num_models, dtype=np.int32), num_slices * num_metrics)
    of_slice = np.tile(np.repeat(np.arange(num_slices, dtype=np.int32), num_metrics), num_models)
    of_metric = np.tile(np.arange(num_metrics, dtype=np.int32), num_models * num_slices)

    def column(words: Sequence[str | None], positions: Array) -> Any:
        missing = np.array([word is None for word in words], bool)[positions]
        known = pa.array([word or "" for word in words], pa.string())
        return pa.DictionaryArray.from_arrays(pa.array(positions, mask=missing), known)

    baseline = blessing.baseline.digest if blessing.baseline is not None else None
    digests = [blessing.subject.digest if model == CANDIDATE else baseline for model in models]
    keys = measurements.slices
    table = pa.table(
        {
            "model": column(models, of_model),
            "model_digest": column(digests, of_model),
            "slice": column([json.dumps(dict(k), ensure_ascii=False) for k in keys], of_slice),
            "slice_name": column([describe(k).removeprefix("for ") for k in keys], of_slice),
            "num_examples": pa.array(measurements.num_examples[of_slice], pa.int64()),
            "metric": column(names, of_metric),
            "value": pa.array(flat, pa.float64(), mask=~np.isfinite(flat)),
        }
    )
    pq.write_table(table, directory / TABLE_FILE)


def values_of(case: Case, metric: str, position: int) -> dict[str, float | None]:
    """Return a metric of a slice by model, None where it isn't defined."""
    return {
        model: finite_or_none(float(measured.values[metric][position]))
        for model, measured in case.measurements.models.items()
    }
