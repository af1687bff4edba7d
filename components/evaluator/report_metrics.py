"""Writes all metrics for programs: ``metrics.json``, and ``metrics.parquet`` as a table."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from components.evaluator.confidence import Estimates
from components.evaluator.exact_sum import Array
from components.evaluator.interval import Interval
from components.evaluator.judgement import BASELINE, CANDIDATE, Case, finite_or_none
from components.evaluator.metric import Metric
from components.evaluator.slice_key import describe
from components.records import Blessing

CHANGE = "change"
"""Stands beside the models' names for the interval of candidate - baseline."""
METRICS_FILE = "metrics.json"
TABLE_FILE = "metrics.parquet"
_END = ("lower", "upper")


def write_metrics(case: Case, blessing: Blessing, directory: Path) -> None:
    """Write every metric and plot of every slice, null where it isn't defined; a line for each.

    If intervals were asked for, ``intervals`` has those of each metric, model and ``change``, null
    where they can't be told.
    """
    head = {
        "schema_version": 1,
        "model_digest": blessing.subject.digest,
        "baseline": blessing.to_json()["baseline"],
        "slices": [],
    }
    start, end = _dumps(head).rsplit("[]", 1)
    with (directory / METRICS_FILE).open("w", encoding="utf-8") as file:
        file.write(start + "[")
        for position in range(len(case.measurements.slices)):
            # One after the other: of 100,000 slices all at once would take a gigabyte.
            file.write((",\n" if position else "\n") + _dumps(_slice(case, position)))
        file.write("\n]" + end + "\n")


def _dumps(value: Any) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False)


def _slice(case: Case, position: int) -> dict[str, Any]:
    measurements = case.measurements
    item: dict[str, Any] = {
        "slice": dict(measurements.slices[position]),
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
    if case.intervals is not None:
        item["intervals"] = _intervals(case, position)
    return item


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
    lower, upper  its 95 % interval, float64; null where there is none
    change_lower  of the candidate's rows: where the 95 % interval of the change against
                  the baseline begins, float64; null where there is none
    change_upper  where that ends
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

    def numbers(values: Array) -> Any:
        return pa.array(values, pa.float64(), mask=~np.isfinite(values))

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
            "value": numbers(flat),
            **{name: numbers(ends) for name, ends in _ends(case, names).items()},
        }
    )
    pq.write_table(table, directory / TABLE_FILE)


def values_of(case: Case, metric: str, position: int) -> dict[str, float | None]:
    """Return a metric of a slice by model, None where it isn't defined."""
    return {
        model: finite_or_none(float(measured.values[metric][position]))
        for model, measured in case.measurements.models.items()
    }


def estimates_of(case: Case, metric: Metric) -> dict[str, Estimates]:
    """Return what is known of a metric by model, and of its `CHANGE`; empty without intervals."""
    if case.intervals is None or not metric.has_interval:
        return {}
    found = {model: case.intervals.of_metric(metric, model) for model in case.measurements.models}
    if case.has_baseline and metric.needs_predictions:
        found[CHANGE] = case.intervals.of_change(metric, CANDIDATE, BASELINE)
    return {what: estimates for what, estimates in found.items() if estimates is not None}


def _intervals(case: Case, position: int) -> dict[str, dict[str, dict[str, float] | None]]:
    """Return metric → model or change → interval of a slice."""
    return {
        metric.name: {what: _to_json(each.interval(position)) for what, each in estimates.items()}
        for metric in case.config.metrics
        if (estimates := estimates_of(case, metric))
    }


def _to_json(interval: Interval | None) -> dict[str, float] | None:
    if interval is None:
        return None
    return {"lower": interval.lower, "upper": interval.upper, "confidence": interval.confidence}


def _ends(case: Case, names: Sequence[str]) -> dict[str, Array]:
    """Return the columns of intervals, as many rows as the table."""
    measurements = case.measurements
    models, by_name = list(measurements.models), {m.name: m for m in case.config.metrics}
    shape = (len(models), len(measurements.slices), len(names))
    columns = {f"{kind}{end}": np.full(shape, np.nan) for kind in ("", "change_") for end in _END}
    for number, name in enumerate(names):
        for what, estimates in estimates_of(case, by_name[name]).items():
            kind, model = ("change_", CANDIDATE) if what == CHANGE else ("", what)
            for end, values in zip(_END, estimates.ends(), strict=True):
                columns[kind + end][models.index(model), :, number] = values
    return {name: values.ravel() for name, values in columns.items()}
