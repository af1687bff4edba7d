"""TFX's ValidationSpec and RequestSpec as proto3 JSON, and all settings of a validation together.

Source of names and defaults: `tfx/proto/infra_validator.proto`. In the ValidationSpec all but
``max_loading_time_seconds`` and ``num_tries`` are this project's.
"""

import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from components.errors import ConfigurationError
from components.infra_validator.proto_json import ProtoObject
from components.infra_validator.serving_spec import ServingSpec, read_serving_spec

OpPolicy = Literal["warn", "refuse"]
PERCENTILES = ("p50", "p95", "p99")
_VALIDATION = (
    "max_loading_time_seconds",
    "num_tries",
    "max_request_time_seconds",
    "max_latency_milliseconds",
    "min_requests_per_second",
    "op_policy",
)
_REQUEST = ("tensorflow_serving", "split_name", "num_examples", "make_warmup")


@dataclass(frozen=True)
class Settings:
    """What to start, how long to wait, what to ask, what to expect."""

    serving: ServingSpec = field(default_factory=ServingSpec)
    max_loading_time_seconds: float = 300.0
    num_tries: int = 5
    max_request_seconds: float = 30.0
    """How long one request may take; TensorFlow Serving's own bound for REST."""
    max_latency_milliseconds: Mapping[str, float] | None = None
    """Of a request for one row, by percentile; None only measures."""
    min_requests_per_second: float | None = None
    op_policy: OpPolicy = "warn"
    num_examples: int = 100
    split_name: str | None = None
    signature_names: tuple[str, ...] = ("serving_default",)
    make_warmup: bool = False

    @property
    def model_name(self) -> str:
        """What the server calls the model."""
        return self.serving.model_name


def read_settings(
    serving_spec: Mapping[str, Any],
    validation_spec: Mapping[str, Any] | None = None,
    request_spec: Mapping[str, Any] | None = None,
) -> Settings:
    """Read the three specifications.

    Raises:
        ConfigurationError: an unknown key, a wrong value, or what isn't offered.
    """
    read = {
        "serving": read_serving_spec(serving_spec),
        **_read_validation(ProtoObject(validation_spec or {}, "validation_spec", _VALIDATION)),
        **_read_requests(ProtoObject(request_spec or {}, "request_spec", _REQUEST)),
    }
    return Settings(**{name: value for name, value in read.items() if value is not None})


def _read_validation(spec: ProtoObject) -> dict[str, Any]:
    return {
        "max_loading_time_seconds": spec.count("max_loading_time_seconds"),
        "num_tries": spec.count("num_tries"),
        "max_request_seconds": spec.positive("max_request_time_seconds"),
        "max_latency_milliseconds": _read_latency(spec),
        "min_requests_per_second": spec.positive("min_requests_per_second"),
        "op_policy": spec.choice("op_policy", typing.get_args(OpPolicy)),
    }


def _read_latency(spec: ProtoObject) -> dict[str, float] | None:
    name = "max_latency_milliseconds"
    if name not in spec:
        return None
    given = spec.object(name, PERCENTILES)
    bounds = {percentile: given.positive(percentile) for percentile in PERCENTILES}
    read = {percentile: bound for percentile, bound in bounds.items() if bound is not None}
    if not read:
        raise ConfigurationError(
            f"{spec.path(name)} is empty; expected bounds such as {{'p99': 50}}"
        )
    return read


def _read_requests(spec: ProtoObject) -> dict[str, Any]:
    names = spec.object("tensorflow_serving", ("signature_names",)).texts("signature_names")
    return {
        "num_examples": spec.count("num_examples"),
        "split_name": spec.text("split_name"),
        "signature_names": names or None,
        "make_warmup": spec.boolean("make_warmup"),
    }
