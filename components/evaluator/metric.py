"""The metrics by the class names of TFMA and Keras, each computed from statistics.

Where a metric isn't defined (one class only, nothing predicted positive, all weights zero) it is
NaN, and NaN meets no threshold. TFMA says 0.0 or 1.0 for some of these.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.errors import ConfigurationError
from components.evaluator import curve
from components.evaluator.exact_sum import Array
from components.evaluator.statistic import Confusion, ScoreHistogram, Statistic, Sum

_TINY = 1e-8
"""A denominator that TFMA takes for zero."""


@dataclass(frozen=True)
class Metric:
    """A number for each slice.

    Attributes:
        name: in thresholds and records, unique in one evaluation.
        title: how sentences call it.
        statistics: what it is computed from.
        compute: takes their results, returns `(num_slices,)` float64.
        needs_predictions: false for what depends on the data alone.
    """

    name: str
    title: str
    statistics: tuple[Statistic, ...]
    compute: Callable[..., Array]
    needs_predictions: bool = True


@dataclass(frozen=True)
class _Kind:
    """What a class name stands for.

    Attributes:
        name: by default, as TFMA's.
        settings: what its config may say → what holds by default. One whose name begins with
            ``=`` may only be given as that default.
        make: takes the settings and ``weighted``, returns statistics and how to compute.
    """

    name: str
    make: Callable[[Mapping[str, Any], bool], tuple[tuple[Statistic, ...], Callable[..., Array]]]
    settings: Mapping[str, Any]
    needs_predictions: bool = True


def make_metric(class_name: str, config: Mapping[str, Any], *, weighted: bool) -> Metric:
    """Return a metric.

    Args:
        class_name: as TFMA or Keras call it.
        config: its settings.
        weighted: by the examples' weights.

    Raises:
        ConfigurationError: unknown class, unknown or unsupported setting; the message lists those
            there are.
    """
    kind = _KINDS.get(class_name)
    if kind is None:
        raise ConfigurationError(
            f"the metric class_name {class_name!r} isn't known; expected one of "
            f"{', '.join(sorted(_KINDS))}"
        )
    settings = _read_settings(class_name, kind, config)
    statistics, compute = kind.make(settings, weighted)
    return Metric(
        name=str(config.get("name") or kind.name),
        title=str(config.get("name") or class_name),
        statistics=statistics,
        compute=compute,
        needs_predictions=kind.needs_predictions,
    )


def _read_settings(class_name: str, kind: _Kind, config: Mapping[str, Any]) -> dict[str, Any]:
    settings = {name.removeprefix("="): value for name, value in kind.settings.items()}
    for name, value in config.items():
        if name in ("name", "dtype"):
            continue
        if name not in settings:
            raise ConfigurationError(
                f"{class_name} has no setting {name!r}, or it isn't supported yet; expected only "
                f"{', '.join(['name', *sorted(settings)])}"
            )
        if f"={name}" in kind.settings and value != settings[name]:
            raise ConfigurationError(
                f"{class_name} with {name}={value!r} isn't supported yet; leave it out, "
                f"which means {settings[name]!r}"
            )
        settings[name] = value
    return settings


def _divide(numerator: Array, denominator: Array) -> Array:
    """Divide where the denominator is positive, else NaN."""
    quotient = np.full(len(numerator), np.nan)
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient


def _divide_unless_tiny(numerator: Array, denominator: Array) -> Array:
    quotient = np.full(len(numerator), np.nan)
    np.divide(numerator, denominator, out=quotient, where=np.abs(denominator) > _TINY)
    return quotient


def _ratio(top: str, bottom: str) -> Any:
    def make(settings: Mapping[str, Any], weighted: bool) -> Any:
        return (Sum(top, weighted), Sum(bottom, weighted)), _divide_unless_tiny

    return make


def _count(settings: Mapping[str, Any], weighted: bool) -> Any:
    return (Sum("count", weighted),), lambda count: count


def _from_confusion(formula: Callable[[Array, Array, Array, Array], Array]) -> Any:
    """Return a maker of what is computed from TN, FP, FN, TP at one threshold."""

    def make(settings: Mapping[str, Any], weighted: bool) -> Any:
        threshold = _single_threshold(settings)
        return (Confusion(threshold, weighted),), lambda cells: formula(*cells.T)

    return make


def _single_threshold(settings: Mapping[str, Any]) -> float:
    name = "threshold" if "threshold" in settings else "thresholds"
    value = settings[name]
    values: Sequence[Any] = value if isinstance(value, list) else [value]
    if value is None:
        return 0.5
    if len(values) != 1 or isinstance(values[0], bool) or not isinstance(values[0], int | float):
        raise ConfigurationError(
            f"{name} is {value!r}; expected one number, for instance 0.5: several thresholds in "
            "one metric aren't supported yet, give each its own metric with a name"
        )
    return float(values[0])


def _area(default_curve: str) -> Any:
    def make(settings: Mapping[str, Any], weighted: bool) -> Any:
        which = str(settings["curve"] or default_curve).upper()
        num_thresholds = settings["num_thresholds"]
        if which not in curve.AREAS:
            raise ConfigurationError(f"curve is {settings['curve']!r}; expected 'ROC' or 'PR'")
        if isinstance(num_thresholds, bool) or not isinstance(num_thresholds, int):
            raise ConfigurationError(f"num_thresholds is {num_thresholds!r}; expected an integer")
        if num_thresholds < 3:
            raise ConfigurationError(f"num_thresholds is {num_thresholds}; expected 3 or more")
        area = curve.AREAS[which]
        return (ScoreHistogram(weighted),), lambda slices: np.array(
            [area(scores, num_thresholds) for scores in slices], dtype=np.float64
        )

    return make


_AREA_SETTINGS = {
    "curve": None,
    "num_thresholds": curve.DEFAULT_NUM_THRESHOLDS,
    "=summation_method": "interpolation",
    "=thresholds": None,
    "=multi_label": False,
    "=num_labels": None,
    "=label_weights": None,
    "=from_logits": False,
    "=top_k": None,
    "=class_id": None,
}
_AT_THRESHOLDS = {"thresholds": None, "=top_k": None, "=class_id": None}
_AT_THRESHOLD = {"threshold": None, "=top_k": None, "=class_id": None}
_CROSSENTROPY_SETTINGS = {"=from_logits": False, "=label_smoothing": 0, "=axis": -1}

_KINDS: Mapping[str, _Kind] = {
    "ExampleCount": _Kind("example_count", _count, {}, needs_predictions=False),
    "WeightedExampleCount": _Kind("weighted_example_count", _count, {}, needs_predictions=False),
    "AUC": _Kind("auc", _area("ROC"), _AREA_SETTINGS),
    "AUCPrecisionRecall": _Kind(
        "auc_precision_recall", _area("PR"), {**_AREA_SETTINGS, "=curve": "PR"}
    ),
    "BinaryAccuracy": _Kind(
        "binary_accuracy",
        _from_confusion(lambda tn, fp, fn, tp: _divide(tp + tn, tp + tn + fp + fn)),
        _AT_THRESHOLD,
    ),
    "Precision": _Kind(
        "precision", _from_confusion(lambda tn, fp, fn, tp: _divide(tp, tp + fp)), _AT_THRESHOLDS
    ),
    "Recall": _Kind(
        "recall", _from_confusion(lambda tn, fp, fn, tp: _divide(tp, tp + fn)), _AT_THRESHOLDS
    ),
    "BinaryCrossentropy": _Kind(
        "binary_crossentropy", _ratio("log_loss", "count"), _CROSSENTROPY_SETTINGS
    ),
    "Calibration": _Kind("calibration", _ratio("prediction", "label"), {}),
    "MeanLabel": _Kind("mean_label", _ratio("label", "count"), {}, needs_predictions=False),
    "MeanPrediction": _Kind("mean_prediction", _ratio("prediction", "count"), {}),
}
METRIC_CLASSES = tuple(sorted(_KINDS))
"""The class names that `make_metric` knows."""
