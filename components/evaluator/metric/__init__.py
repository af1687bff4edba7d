"""The metrics by the class names of TFMA and Keras, each computed from statistics."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.errors import ConfigurationError
from components.evaluator import term
from components.evaluator.batch import PLAIN, View
from components.evaluator.exact_sum import Array
from components.evaluator.metric import area, confusion, custom, mean, plot, ranking, regression
from components.evaluator.metric.kind import (
    Asked,
    Computation,
    Kind,
    Metric,
    Takes,
    divide,
    read_settings,
)
from components.evaluator.statistic import Statistic, Sum

__all__ = ["METRIC_CLASSES", "MacroAverage", "Metric", "Takes", "Variant", "make_metrics"]

_KINDS: Mapping[str, Kind] = {
    **mean.KINDS,
    **area.KINDS,
    **confusion.KINDS,
    **regression.KINDS,
    **ranking.KINDS,
    **plot.KINDS,
}
_OUR_MODULES = ("", "tensorflow_model_analysis.metrics", "keras.metrics", "tf.keras.metrics")
METRIC_CLASSES = tuple(sorted(_KINDS))
"""The class names that `make_metrics` knows."""


@dataclass(frozen=True)
class MacroAverage:
    """The mean of a metric over classes.

    Attributes:
        views: one for each.
        weights: factors, as many.
        by_labels: whether each also weighs as many positive labels as it has.
    """

    views: tuple[View, ...]
    weights: tuple[float, ...]
    by_labels: bool = False


@dataclass(frozen=True)
class Variant:
    """One of several ways in which a metric may be asked for.

    Attributes:
        weighted: by the examples' weights.
        view: which classes.
        macro: the average over several views, instead of one.
        output: of a model with several outputs.
        query_key: the feature that groups examples.
        qualifiers: what tells it apart, in its name.
    """

    weighted: bool = False
    view: View = PLAIN
    macro: MacroAverage | None = None
    output: str = ""
    query_key: str = ""
    qualifiers: tuple[str, ...] = ()


def make_metrics(
    class_name: str, config: Mapping[str, Any], variant: Variant, *, module: str = ""
) -> Iterator[Metric]:
    """Yield the metrics that a class name and its settings stand for.

    Args:
        class_name: as TFMA or Keras call it; with `module` the name of a Keras metric or function.
        config: its settings; ``name`` is what it is called.
        variant: which of its variants.
        module: where a custom metric is.

    Raises:
        ConfigurationError: unknown class, unknown or unsupported setting; the message lists those
            there are.
    """
    kind = _KINDS.get(class_name) if module in _OUR_MODULES else None
    if kind is None and module not in ("", "tensorflow_model_analysis.metrics"):
        where = "keras.metrics" if module == "tf.keras.metrics" else module
        kind = custom.make_kind(where, class_name, config)
    if kind is None:
        raise ConfigurationError(
            f"the metric class_name {class_name!r} isn't known; expected one of "
            f"{', '.join(METRIC_CLASSES)}; or one of your own, with its module"
        )
    settings = read_settings(class_name, kind, config)
    variant = _with_own_view(class_name, settings, variant)
    _check_applies(class_name, kind, variant)
    made, view = _make(kind, settings, variant), variant.view
    for suffix, computation in made.items():
        ending, _, own = suffix.partition(" (")
        base_name = str(config.get("name") or kind.name) + ending
        title = str(config.get("name") or class_name) + ending
        qualifiers = (*filter(None, [own.removesuffix(")")]), *variant.qualifiers)
        qualified = f" ({', '.join(qualifiers)})" if qualifiers else ""
        yield Metric(
            name=base_name + qualified,
            title=title + qualified,
            statistics=computation.statistics,
            compute=computation.compute,
            needs_predictions=kind.needs_predictions,
            base_name=base_name,
            takes=kind.takes,
            view=variant.macro.views[0] if variant.macro else variant.view,
            output=variant.output,
            is_plot=kind.is_plot,
            features=computation.features,
            query_key=variant.query_key,
            least_classes=computation.least_classes,
            lowest=0 if kind.is_count and not variant.weighted else kind.lowest,
            highest=kind.highest,
            has_interval=not (kind.is_size or kind.is_plot or kind.needs_query),
            is_rate=kind.is_rate and not (variant.weighted or variant.macro or view.class_weights),
        )


def _with_own_view(class_name: str, settings: Mapping[str, Any], variant: Variant) -> Variant:
    """Let a metric's own ``class_id`` or ``top_k`` choose, as in Keras."""
    own = {name: settings[name] for name in ("class_id", "top_k") if settings.get(name) is not None}
    if not own:
        return variant
    if len(own) > 1 or not variant.view.is_plain or variant.macro:
        raise ConfigurationError(
            f"{class_name} has {own}, and its classes are chosen by more than that; expected one "
            "of class_id, top_k, binarize and aggregate"
        )
    ((name, value),) = own.items()
    if isinstance(value, bool) or not isinstance(value, int) or value < (name == "top_k"):
        raise ConfigurationError(f"{class_name} has {name}={value!r}; expected an integer")
    return dataclasses.replace(variant, view=View(**own))


def _check_applies(class_name: str, kind: Kind, variant: Variant) -> None:
    factors = [factor for _, factor in variant.view.class_weights]
    factors += variant.macro.weights if variant.macro else ()
    if not all(0 <= factor < math.inf for factor in factors):
        raise ConfigurationError(
            f"{class_name} is aggregated with the class_weights {factors}; expected each to be 0 "
            "or more, and finite"
        )
    if (variant.macro or not variant.view.is_plain) and not kind.has_views:
        raise ConfigurationError(
            f"binarize and aggregate don't apply to {class_name}; put it into metrics_specs of "
            "its own without them"
        )
    if kind.needs_query != bool(variant.query_key):
        what = "needs a query_key" if kind.needs_query else "isn't computed by query"
        raise ConfigurationError(
            f"{class_name} {what}; put ranking metrics, and only those, into metrics_specs with a "
            "query_key"
        )
    if variant.macro and kind.is_plot:
        raise ConfigurationError(f"{class_name} has no average over classes; take aggregate out")


def _make(kind: Kind, settings: Mapping[str, Any], variant: Variant) -> Mapping[str, Computation]:
    macro = variant.macro
    if macro is None:
        return _by_suffix(
            kind.make(Asked(settings, variant.weighted, variant.view, variant.query_key))
        )
    parts = [_by_suffix(kind.make(Asked(settings, variant.weighted, view))) for view in macro.views]
    return {
        suffix: _average([part[suffix] for part in parts], macro, weighted=variant.weighted)
        for suffix in parts[0]
    }


def _by_suffix(made: Computation | Mapping[str, Computation]) -> Mapping[str, Computation]:
    return {"": made} if isinstance(made, Computation) else made


def _average(parts: Sequence[Computation], macro: MacroAverage, *, weighted: bool) -> Computation:
    """Return the mean of metrics; NaN if one of them is, unless it weighs nothing."""
    labels: tuple[Statistic, ...] = ()
    if macro.by_labels:
        labels = tuple(Sum(term.label, weighted, view) for view in macro.views)
    statistics = tuple(statistic for part in parts for statistic in part.statistics)

    def compute(*results: Any) -> Array:
        remaining = iter(results)
        values = np.array(
            [part.compute(*(next(remaining) for _ in part.statistics)) for part in parts]
        )
        factors = np.array(macro.weights)[:, None] * np.ones_like(values)
        if labels:
            factors = factors * np.array(list(remaining))
        weighed = np.where(factors == 0, 0.0, values * factors)
        return divide(weighed.sum(axis=0), factors.sum(axis=0))

    return Computation((*statistics, *labels), compute)
