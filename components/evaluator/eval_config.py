"""Reads TFMA's `EvalConfig` and says whether it could ever bless a model. Loads no TensorFlow.

JSON as protobuf writes it (snake or camel case, wrappers bare or as ``{"value": …}``, 64-bit
numbers as text), or the text form. What isn't supported is refused by name, never ignored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from google.protobuf import json_format

from components.errors import ConfigurationError
from components.evaluator.contradiction import check_can_be_met
from components.evaluator.eval_config_reader import digest_of, read_message
from components.evaluator.metric import Metric
from components.evaluator.metrics_spec import read_metrics
from components.evaluator.model_spec import ModelSpec, read_model_specs
from components.evaluator.resampling import Method, Resampling
from components.evaluator.slice_key import SlicingSpec
from components.evaluator.threshold import Threshold
from components.evaluator.threshold_reader import read_slicing_spec

FirstRun = Literal["bless", "refuse"]
Undecided = Literal["FAIL", "JUDGE_VALUE"]
FIRST_RUN_POLICIES: tuple[FirstRun, ...] = ("bless", "refuse")


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
        source: the same as JSON. A configuration is pickled as that.
        resampling: what intervals of confidence are computed from; None computes none.
        undecided: where a threshold has a confidence and there is no interval, for instance in a
            small slice: it fails, or the value alone decides.
    """

    candidate: ModelSpec
    baseline: ModelSpec
    slicing_specs: tuple[SlicingSpec, ...]
    metrics: tuple[Metric, ...]
    thresholds: tuple[Threshold, ...]
    min_slice_size: int
    digest: str = field(repr=False)
    source: str = field(repr=False)
    resampling: Resampling | None = None
    undecided: Undecided = "FAIL"

    @property
    def outputs(self) -> tuple[str, ...]:
        """The model's outputs that are measured; "" is the only one."""
        return tuple(dict.fromkeys(metric.output for metric in self.metrics))

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return read_eval_config, (self.source,)


def read_eval_config(source: str | Path | Mapping[str, Any]) -> EvalConfig:
    """Read a configuration from a file (``.pbtxt`` is the text form), JSON text or a dict.

    Raises:
        ConfigurationError: it can't be read, is inconsistent, or asks for what isn't supported;
            the message names the field.
    """
    message = read_message(source)
    candidate, baseline = read_model_specs(message.model_specs)
    slicing_specs = tuple(dict.fromkeys(map(read_slicing_spec, message.slicing_specs)))
    metrics, thresholds = read_metrics(message.metrics_specs, candidate)
    config = EvalConfig(
        candidate=candidate,
        baseline=baseline,
        slicing_specs=slicing_specs or (SlicingSpec(),),
        metrics=metrics,
        thresholds=thresholds,
        min_slice_size=message.options.min_slice_size.value,
        digest=digest_of(message),
        source=json_format.MessageToJson(message, preserving_proto_field_name=True),
        resampling=_read_resampling(message.options, thresholds),
        undecided="JUDGE_VALUE" if message.options.confidence_intervals.undecided else "FAIL",
    )
    _check_slices_exist(config)
    return config


def check_can_bless(
    source: EvalConfig | str | Path | Mapping[str, Any],
    first_run: FirstRun = "bless",
    *,
    without_thresholds: bool = False,
) -> None:
    """Refuse a configuration under which no first model could ever go live.

    TFMA blesses nothing without thresholds, and TFX deadlocks on change thresholds alone: no
    blessing, so no live model, so nothing to compare with.

    Args:
        source: a configuration, or where to read it.
        first_run: what holds while nothing is live.
        without_thresholds: whether it is on purpose that there are none.

    Raises:
        ConfigurationError: no thresholds at all, unless on purpose; only change thresholds while
            `first_run` is ``refuse``; thresholds that no model could meet; or the configuration
            can't be read.
    """
    config = source if isinstance(source, EvalConfig) else read_eval_config(source)
    if first_run not in FIRST_RUN_POLICIES:
        raise ConfigurationError(f"first_run is {first_run!r}; expected 'bless' or 'refuse'")
    if without_thresholds == bool(config.thresholds):
        raise ConfigurationError(
            "the eval config has thresholds, and was said to be without; expected one or the other"
            if config.thresholds
            else "the eval config has no thresholds, so it could never refuse a model; give a "
            'metric a threshold, for instance {"class_name": "AUC", "threshold": '
            '{"value_threshold": {"lower_bound": 0.7}}}, or say without_thresholds'
        )
    value_may_decide = config.undecided == "JUDGE_VALUE"
    check_can_be_met(config.metrics, config.thresholds, value_may_decide=value_may_decide)
    changes_only = config.thresholds and all(limit.value is None for limit in config.thresholds)
    if first_run == "refuse" and changes_only:
        raise ConfigurationError(
            "the eval config has change thresholds only and first_run is 'refuse': without a live "
            "model there is nothing to compare with, so no model could ever become live. Set "
            "first_run to 'bless', and give a value_threshold that a first model must hold"
        )


def _read_resampling(options: Any, thresholds: tuple[Threshold, ...]) -> Resampling | None:
    """Return how samples are drawn; a threshold with a confidence is reason enough to do it."""
    asked = any(threshold.asks_confidence for threshold in thresholds)
    wanted = asked
    if options.HasField("compute_confidence_intervals"):
        wanted = options.compute_confidence_intervals.value
    if asked and not wanted:
        raise ConfigurationError(
            "a threshold has a confidence, and options.compute_confidence_intervals is false; "
            "take one of them out"
        )
    if options.HasField("confidence_intervals") and not wanted:
        raise ConfigurationError(
            "options has confidence_intervals, but none are computed: set "
            "compute_confidence_intervals true, or take them out"
        )
    method = Method.POISSON_BOOTSTRAP if options.confidence_intervals.method == 1 else None
    return Resampling(method or Method.JACKKNIFE) if wanted else None


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
