"""Reads TFMA's `EvalConfig` and says whether it could ever bless a model. Loads no TensorFlow.

JSON as protobuf writes it (snake or camel case, wrappers bare or as ``{"value": …}``, 64-bit
numbers as text), or the text form. What isn't supported is refused by name, never ignored.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from components.errors import ConfigurationError
from components.evaluator.eval_config_reader import digest_of, read_message
from components.evaluator.metric import Metric, make_metric
from components.evaluator.slice_key import SlicingSpec
from components.evaluator.threshold import Threshold
from components.evaluator.threshold_reader import UNWEIGHTED, read_slicing_spec, read_thresholds

FirstRun = Literal["bless", "refuse"]
FIRST_RUN_POLICIES: tuple[FirstRun, ...] = ("bless", "refuse")
DEFAULT_SIGNATURE = "serving_default"


@dataclass(frozen=True)
class ModelSpec:
    """How a model is asked and what it is compared with; empty texts mean: not given."""

    signature_name: str = DEFAULT_SIGNATURE
    label_key: str = ""
    prediction_key: str = ""
    example_weight_key: str = ""


@dataclass(frozen=True)
class EvalConfig:
    """What to measure, on which slices, and what must hold.

    Attributes:
        candidate: how the model is asked.
        baseline: how the baseline is asked; as the candidate unless the file has another.
        slicing_specs: which slices to make.
        metrics: what to compute on each, by unique names.
        thresholds: what must hold.
        min_slice_size: slices with fewer examples get no metrics, all examples excepted.
        digest: ``sha256:…`` of the configuration's meaning: the same for JSON and text.
    """

    candidate: ModelSpec
    baseline: ModelSpec
    slicing_specs: tuple[SlicingSpec, ...]
    metrics: tuple[Metric, ...]
    thresholds: tuple[Threshold, ...]
    min_slice_size: int
    digest: str = field(repr=False)


def read_eval_config(source: str | Path | Mapping[str, Any]) -> EvalConfig:
    """Read a configuration from a file (``.pbtxt`` is the text form), JSON text or a dict.

    Raises:
        ConfigurationError: it can't be read, is inconsistent, or asks for what isn't supported;
            the message names the field.
    """
    message = read_message(source)
    candidate, baseline = _model_specs(message.model_specs)
    slicing_specs = tuple(dict.fromkeys(map(read_slicing_spec, message.slicing_specs)))
    metrics, thresholds = _metrics(message.metrics_specs, weighted=candidate.example_weight_key)
    config = EvalConfig(
        candidate=candidate,
        baseline=baseline,
        slicing_specs=slicing_specs or (SlicingSpec(),),
        metrics=metrics,
        thresholds=thresholds,
        min_slice_size=message.options.min_slice_size.value,
        digest=digest_of(message),
    )
    _check_slices_exist(config)
    return config


def check_can_bless(
    source: EvalConfig | str | Path | Mapping[str, Any], first_run: FirstRun = "bless"
) -> None:
    """Refuse a configuration under which no first model could ever go live.

    TFMA blesses nothing without thresholds, and TFX deadlocks on change thresholds alone: no
    blessing, so no live model, so nothing to compare with.

    Args:
        source: a configuration, or where to read it.
        first_run: what holds while nothing is live.

    Raises:
        ConfigurationError: no thresholds at all; only change thresholds while `first_run` is
            ``refuse``; or the configuration can't be read.
    """
    config = source if isinstance(source, EvalConfig) else read_eval_config(source)
    if first_run not in FIRST_RUN_POLICIES:
        raise ConfigurationError(f"first_run is {first_run!r}; expected 'bless' or 'refuse'")
    if not config.thresholds:
        raise ConfigurationError(
            "the eval config has no thresholds, so it could never refuse a model; give a metric a "
            'threshold, for instance {"class_name": "AUC", "threshold": {"value_threshold": '
            '{"lower_bound": 0.7}}}'
        )
    if first_run == "refuse" and all(limit.value is None for limit in config.thresholds):
        raise ConfigurationError(
            "the eval config has change thresholds only and first_run is 'refuse': without a live "
            "model there is nothing to compare with, so no model could ever become live. Set "
            "first_run to 'bless', and give a value_threshold that a first model must hold"
        )


def _model_specs(messages: Any) -> tuple[ModelSpec, ModelSpec]:
    candidates = [message for message in messages if not message.is_baseline]
    baselines = [message for message in messages if message.is_baseline]
    if len(candidates) != 1 or len(baselines) > 1:
        raise ConfigurationError(
            f"model_specs has {len(candidates)} candidates and {len(baselines)} baselines "
            "(is_baseline); expected one candidate and at most one baseline"
        )
    candidate = _model_spec(candidates[0])
    baseline = _model_spec(baselines[0]) if baselines else candidate
    if not candidate.label_key:
        raise ConfigurationError(
            "model_specs[0].label_key is missing; expected the name of the label's feature"
        )
    for name in ("label_key", "example_weight_key"):
        if getattr(baseline, name) not in ("", getattr(candidate, name)):
            raise ConfigurationError(
                f"model_specs: the baseline's {name} is {getattr(baseline, name)!r}, the "
                f"candidate's {getattr(candidate, name)!r}; both are measured on the same examples"
            )
    return candidate, baseline


def _model_spec(message: Any) -> ModelSpec:
    return ModelSpec(
        signature_name=message.signature_name or DEFAULT_SIGNATURE,
        label_key=message.label_key,
        prediction_key=message.prediction_key,
        example_weight_key=message.example_weight_key,
    )


def _metrics(specs: Any, *, weighted: str) -> tuple[tuple[Metric, ...], tuple[Threshold, ...]]:
    metrics: dict[str, Metric] = {}
    thresholds: list[Threshold] = []
    for index, spec in enumerate(specs):
        for metric, message in _metrics_of_spec(spec, f"metrics_specs[{index}]", weighted):
            if metric.name in metrics:
                raise ConfigurationError(
                    f"metrics_specs has two metrics named {metric.name!r}; give one another name: "
                    '"config": "{\\"name\\": \\"…\\"}"'
                )
            metrics[metric.name] = metric
            thresholds.extend(read_thresholds(metric.name, spec, message))
    if not metrics:
        raise ConfigurationError("metrics_specs names no metrics; expected at least one")
    return tuple(metrics.values()), tuple(dict.fromkeys(thresholds))


def _metrics_of_spec(spec: Any, path: str, weight_key: str) -> Iterator[tuple[Metric, Any]]:
    """Yield each metric with the message that asked for it."""
    names: set[str] = set()
    for index, message in enumerate(spec.metrics):
        config = _settings(message.config, f"{path}.metrics[{index}].config")
        for weighted, suffix in _weightings(spec.example_weights, path, weight_key):
            metric = make_metric(message.class_name, config, weighted=weighted)
            names.add(metric.name)
            yield _suffixed(metric, suffix), message
    unknown = ({*spec.thresholds} | {*spec.per_slice_thresholds}) - names
    if unknown:
        raise ConfigurationError(
            f"{path} has thresholds for {sorted(unknown)}, which it doesn't compute; it computes "
            f"{sorted(names)}"
        )


def _weightings(options: Any, path: str, weight_key: str) -> list[tuple[bool, str]]:
    if options.weighted and not weight_key:
        raise ConfigurationError(
            f"{path}.example_weights.weighted is true, but model_specs has no example_weight_key"
        )
    if options.weighted and options.unweighted:
        return [(True, ""), (False, UNWEIGHTED)]
    return [(bool(weight_key) and not options.unweighted, "")]


def _suffixed(metric: Metric, suffix: str) -> Metric:
    if not suffix:
        return metric
    return Metric(
        metric.name + suffix,
        metric.title + suffix,
        metric.statistics,
        metric.compute,
        metric.needs_predictions,
    )


def _settings(text: str, path: str) -> dict[str, Any]:
    """Read a metric's config; TFMA lets the braces be left out."""
    stripped = text.strip()
    if not stripped:
        return {}
    try:
        value = json.loads(stripped if stripped.startswith("{") else "{" + stripped + "}")
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"{path} is {text!r}, which isn't JSON: {error}") from error
    if not isinstance(value, dict):
        raise ConfigurationError(f"{path} is {text!r}; expected a JSON object")
    return value


def _check_slices_exist(config: EvalConfig) -> None:
    """Refuse a threshold for slices that nothing makes: it could never be met."""
    for threshold in config.thresholds:
        spec = threshold.slicing_spec
        if spec is None or any(_may_make(made, spec) for made in config.slicing_specs):
            continue
        raise ConfigurationError(
            f"a threshold of {threshold.metric!r} is for the slices {spec}, which slicing_specs "
            f"doesn't make (it makes {'; '.join(map(str, config.slicing_specs))}); add it there"
        )


def _may_make(made: SlicingSpec, wanted: SlicingSpec) -> bool:
    fixed = dict(wanted.feature_values)
    return made.features == wanted.features and all(
        fixed.get(name, text) == text for name, text in made.feature_values
    )
