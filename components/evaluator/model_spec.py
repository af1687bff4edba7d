"""How a model is asked, and which features are its labels and weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.errors import ConfigurationError

DEFAULT_SIGNATURE = "serving_default"


@dataclass(frozen=True)
class ModelSpec:
    """How a model is asked and what it is compared with; empty texts mean: not given.

    Attributes:
        signature_name: which of its signatures.
        label_key: the feature that holds the label.
        prediction_key: which of the signature's outputs, if there are several.
        example_weight_key: the feature that holds the weight.
        label_keys: of a model with several outputs, (output, feature) pairs; likewise the others.
        prediction_keys: (output, name in the signature) pairs, where those differ.
        example_weight_keys: (output, feature) pairs.
        preprocessing_function_names: signatures that make labels or weights of the examples. The
            candidate's count: both models are measured against the same labels.
    """

    signature_name: str = DEFAULT_SIGNATURE
    label_key: str = ""
    prediction_key: str = ""
    example_weight_key: str = ""
    label_keys: tuple[tuple[str, str], ...] = ()
    prediction_keys: tuple[tuple[str, str], ...] = ()
    example_weight_keys: tuple[tuple[str, str], ...] = ()
    preprocessing_function_names: tuple[str, ...] = ()

    def label_of(self, output: str) -> str:
        """Return the feature that holds an output's label."""
        return dict(self.label_keys).get(output, self.label_key)

    def weight_of(self, output: str) -> str:
        """Return the feature that holds an output's weight, or empty text."""
        return dict(self.example_weight_keys).get(output, self.example_weight_key)

    def prediction_of(self, output: str) -> str:
        """Return the signature's name for an output, or empty text."""
        return dict(self.prediction_keys).get(output, output or self.prediction_key)


def read_model_specs(messages: Any) -> tuple[ModelSpec, ModelSpec]:
    """Return how the candidate is asked, and how the baseline is.

    Raises:
        ConfigurationError: not one candidate, more than one baseline, no label, or the two disagree
            on labels or weights.
    """
    candidates = [message for message in messages if not message.is_baseline]
    baselines = [message for message in messages if message.is_baseline]
    if len(candidates) != 1 or len(baselines) > 1:
        raise ConfigurationError(
            f"model_specs has {len(candidates)} candidates and {len(baselines)} baselines "
            "(is_baseline); expected one candidate and at most one baseline"
        )
    candidate = _read(candidates[0])
    baseline = _read(baselines[0]) if baselines else candidate
    if not candidate.label_key and not candidate.label_keys:
        raise ConfigurationError(
            "model_specs[0].label_key is missing; expected the name of the label's feature"
        )
    for name in ("label_key", "example_weight_key", "label_keys", "example_weight_keys"):
        if getattr(baseline, name) not in ("", (), getattr(candidate, name)):
            raise ConfigurationError(
                f"model_specs: the baseline's {name} is {getattr(baseline, name)!r}, the "
                f"candidate's {getattr(candidate, name)!r}; both are measured on the same examples"
            )
    return candidate, baseline


def _read(message: Any) -> ModelSpec:
    return ModelSpec(
        signature_name=message.signature_name or DEFAULT_SIGNATURE,
        label_key=message.label_key,
        prediction_key=message.prediction_key,
        example_weight_key=message.example_weight_key,
        label_keys=_pairs(message.label_keys),
        prediction_keys=_pairs(message.prediction_keys),
        example_weight_keys=_pairs(message.example_weight_keys),
        preprocessing_function_names=tuple(message.preprocessing_function_names),
    )


def _pairs(values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(values.items()))
