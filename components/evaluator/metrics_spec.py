"""Reads `MetricsSpec`s: which metrics, in which variants, with which thresholds."""

import itertools
from collections.abc import Iterator
from typing import Any

from components.errors import ConfigurationError
from components.evaluator import strict_json
from components.evaluator.batch import PLAIN, View
from components.evaluator.metric import MacroAverage, Metric, Variant, make_metrics
from components.evaluator.model_spec import ModelSpec
from components.evaluator.threshold import Threshold
from components.evaluator.threshold_reader import read_thresholds

_AGGREGATIONS = ("micro_average", "macro_average", "weighted_macro_average")
_Choice = tuple[View, MacroAverage | None, tuple[str, ...]]


def read_metrics(
    specs: Any, model_spec: ModelSpec
) -> tuple[tuple[Metric, ...], tuple[Threshold, ...]]:
    """Return the metrics by unique names, and the thresholds on them.

    Raises:
        ConfigurationError: an unknown metric or setting, two metrics of one name, thresholds for
            what isn't computed, or no metric at all.
    """
    metrics: dict[str, Metric] = {}
    thresholds: list[Threshold] = []
    for index, spec in enumerate(specs):
        for metric, message in _read_spec(spec, f"metrics_specs[{index}]", model_spec):
            if metric.name in metrics:
                raise ConfigurationError(
                    f"metrics_specs has two metrics named {metric.name!r}; give one another name: "
                    '"config": "{\\"name\\": \\"…\\"}"'
                )
            metrics[metric.name] = metric
            made = list(read_thresholds(metric, spec, message))
            if made and metric.is_plot:
                raise ConfigurationError(
                    f"{metric.name!r} has a threshold, but is more than one number; put the "
                    "threshold on a metric that is a number"
                )
            thresholds.extend(made)
    if not metrics:
        raise ConfigurationError("metrics_specs names no metrics; expected at least one")
    return tuple(metrics.values()), tuple(dict.fromkeys(thresholds))


def _read_spec(spec: Any, path: str, model_spec: ModelSpec) -> Iterator[tuple[Metric, Any]]:
    """Yield each metric with the message that asked for it."""
    names: set[str] = set()
    variants = list(_variants(spec, path, model_spec))
    for index, message in enumerate(spec.metrics):
        config = _read_config(message.config, f"{path}.metrics[{index}].config")
        for variant in variants:
            made = list(make_metrics(message.class_name, config, variant, module=message.module))
            if len({metric.base_name for metric in made}) > 1 and (
                message.HasField("threshold") or message.per_slice_thresholds
            ):
                raise ConfigurationError(
                    f"{path}.metrics[{index}] is several metrics with one threshold; put it into "
                    f"{path}.thresholds by name: {', '.join(m.base_name for m in made[:3])}, …"
                )
            names.update(metric.base_name for metric in made)
            for metric in made:
                yield metric, message
    unknown = ({*spec.thresholds} | {*spec.per_slice_thresholds}) - names
    if unknown:
        raise ConfigurationError(
            f"{path} has thresholds for {sorted(unknown)}, which it doesn't compute; it computes "
            f"{sorted(names)}"
        )


def _variants(spec: Any, path: str, model_spec: ModelSpec) -> Iterator[Variant]:
    outputs = tuple(spec.output_names) or ("",)
    choices = list(_choices(spec, path))
    for output in outputs:
        if not model_spec.label_of(output):
            raise ConfigurationError(
                f"{path} is about the output {output!r}, for which model_specs has no label; name "
                "it in label_keys, and give output_names in metrics_specs"
            )
        weightings = _weightings(spec.example_weights, path, model_spec.weight_of(output))
        for (view, macro, what), weighted in itertools.product(choices, weightings):
            unweighted = ("unweighted",) if len(weightings) > 1 and not weighted else ()
            yield Variant(
                weighted=weighted,
                view=view,
                macro=macro,
                output=output,
                query_key=spec.query_key,
                qualifiers=(*([f"output {output}"] * bool(output)), *what, *unweighted),
            )


def _weightings(options: Any, path: str, weight_key: str) -> list[bool]:
    if options.weighted and not weight_key:
        raise ConfigurationError(
            f"{path}.example_weights.weighted is true, but model_specs has no example_weight_key"
        )
    if options.weighted and options.unweighted:
        return [True, False]
    return [bool(weight_key) and not options.unweighted]


def _choices(spec: Any, path: str) -> Iterator[_Choice]:
    """Yield which classes are looked at, by `binarize` and `aggregate`."""
    found = [*_binarized(spec.binarize, path), *_aggregated(spec, path)]
    yield from found or [(PLAIN, None, ())]


def _binarized(binarize: Any, path: str) -> Iterator[_Choice]:
    fields = (("class_id", "class_ids", 0), ("k", "k_list", 1), ("top_k", "top_k_list", 1))
    for name, field, least in fields:
        for value in getattr(binarize, field).values:
            if value < least:
                raise ConfigurationError(
                    f"{path}.binarize.{field} has {value}; expected {least} or more"
                )
            yield View(**{name: value}), None, (f"{name} {value}",)


def _aggregated(spec: Any, path: str) -> Iterator[_Choice]:
    if not spec.HasField("aggregate"):
        return
    options = spec.aggregate
    kinds = [name for name in _AGGREGATIONS if getattr(options, name)]
    if len(kinds) != 1:
        raise ConfigurationError(
            f"{path}.aggregate has {kinds or 'no type'}; expected one of {', '.join(_AGGREGATIONS)}"
        )
    (kind,) = kinds
    weights = tuple(sorted(options.class_weights.items()))
    cutoffs = list(options.top_k_list.values)
    if weights and cutoffs:
        raise ConfigurationError(
            f"{path}.aggregate has class_weights and a top_k_list; expected one of them"
        )
    if any(k < 1 for k in cutoffs) or any(number < 0 for number, _ in weights):
        raise ConfigurationError(
            f"{path}.aggregate has top_k_list {cutoffs} and class_weights {dict(weights)}; "
            "expected k from 1 and classes from 0"
        )
    for top_k in cutoffs or [None]:
        what = (kind, f"top_k {top_k}") if top_k else (kind,)
        if kind == "micro_average":
            yield View(top_k=top_k, is_aggregated=True, class_weights=weights), None, what
        else:
            by_labels = kind == "weighted_macro_average"
            yield PLAIN, _macro(top_k, weights, path, by_labels=by_labels), what


def _macro(
    top_k: int | None, weights: tuple[tuple[int, float], ...], path: str, *, by_labels: bool
) -> MacroAverage:
    if top_k:
        views = tuple(View(k=k + 1) for k in range(top_k))
        return MacroAverage(views, (1.0,) * top_k, by_labels)
    if not weights:
        raise ConfigurationError(
            f"{path}.aggregate needs class_weights for an average over classes: they also say "
            'which classes there are, for instance {"0": 1, "1": 1}'
        )
    views = tuple(View(class_id=number) for number, _ in weights)
    return MacroAverage(views, tuple(weight for _, weight in weights), by_labels)


def _read_config(text: str, path: str) -> dict[str, Any]:
    """Read a metric's config; TFMA lets the braces be left out."""
    stripped = text.strip()
    if not stripped:
        return {}
    braced = stripped if stripped.startswith("{") else "{" + stripped + "}"
    value = strict_json.loads(braced, f"{path} is {text!r}, which")
    if not isinstance(value, dict):
        raise ConfigurationError(f"{path} is {text!r}; expected a JSON object")
    return value
