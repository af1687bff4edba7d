"""TFX's ServingSpec, ValidationSpec and RequestSpec as proto3 JSON, read strictly.

Source of names and defaults: `tfx/proto/infra_validator.proto`. Keys may be written in snake or in
camel case.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.errors import ConfigurationError
from components.model_server import LocalProcess, Runner
from components.record_codec import shown

LOCAL_PROCESS = "local_process"
_LATER = ("tensorflow_serving", "local_docker", "kubernetes")
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


@dataclass(frozen=True)
class Settings:
    """What to start, how long to wait, what to ask."""

    model_name: str = "infra-validation-model"
    max_loading_time_seconds: float = 300.0
    num_tries: int = 5
    num_examples: int = 100
    split_name: str | None = None
    signature_names: tuple[str, ...] = ("serving_default",)
    max_request_seconds: float = 30.0
    """How long one request may take; TensorFlow Serving's own bound for REST."""

    def runner(self) -> Runner:
        """Return what starts the server."""
        return LocalProcess()


def read_settings(
    serving_spec: Mapping[str, Any],
    validation_spec: Mapping[str, Any] | None = None,
    request_spec: Mapping[str, Any] | None = None,
) -> Settings:
    """Read the three specifications.

    Raises:
        ConfigurationError: an unknown key, a wrong value, or what isn't offered.
    """
    return Settings(
        **_read_serving(_keys(serving_spec, "serving_spec")),
        **_read_validation(_keys(validation_spec or {}, "validation_spec")),
        **_read_requests(_keys(request_spec or {}, "request_spec")),
    )


def _read_serving(spec: dict[str, Any]) -> dict[str, Any]:
    for name in sorted(spec.keys() & set(_LATER)):
        raise ConfigurationError(
            f"serving_spec.{name}: servers in containers aren't offered yet; "
            f'expected {{"{LOCAL_PROCESS}": {{}}}}'
        )
    _refuse_unknown(spec, {LOCAL_PROCESS, "model_name"}, "serving_spec")
    if LOCAL_PROCESS not in spec:
        raise ConfigurationError(
            f"serving_spec names no platform; expected for instance {{{LOCAL_PROCESS!r}: {{}}}}"
        )
    _refuse_unknown(
        _keys(spec[LOCAL_PROCESS], f"serving_spec.{LOCAL_PROCESS}"), set(), LOCAL_PROCESS
    )
    name = spec.get("model_name", Settings.model_name)
    if not isinstance(name, str) or not _MODEL_NAME.fullmatch(name):
        raise ConfigurationError(
            f"serving_spec.model_name is {shown(name)}; expected letters, digits, '_', '.' and '-'"
        )
    return {"model_name": name}


def _read_validation(spec: dict[str, Any]) -> dict[str, Any]:
    where = "validation_spec"
    _refuse_unknown(spec, {"max_loading_time_seconds", "num_tries"}, where)
    return {key: _positive(value, f"{where}.{key}") for key, value in spec.items()}


def _read_requests(spec: dict[str, Any]) -> dict[str, Any]:
    where = "request_spec"
    known = {"tensorflow_serving", "split_name", "num_examples", "make_warmup"}
    _refuse_unknown(spec, known, where)
    if spec.get("make_warmup"):
        raise ConfigurationError(
            "request_spec.make_warmup: warm-up requests aren't offered yet; leave it out"
        )
    read: dict[str, Any] = {}
    if "num_examples" in spec:
        read["num_examples"] = _positive(spec["num_examples"], f"{where}.num_examples")
    if "split_name" in spec:
        read["split_name"] = _text(spec["split_name"], f"{where}.split_name")
    read.update(_read_signatures(spec.get("tensorflow_serving", {})))
    return read


def _read_signatures(value: Any) -> dict[str, Any]:
    where = "request_spec.tensorflow_serving"
    spec = _keys(value, where)
    _refuse_unknown(spec, {"signature_names"}, where)
    names = spec.get("signature_names", [])
    if not isinstance(names, list | tuple):
        raise ConfigurationError(f"{where}.signature_names is {shown(names)}; expected a list")
    read = tuple(_text(name, f"{where}.signature_names") for name in names)
    return {"signature_names": tuple(dict.fromkeys(read))} if read else {}


def _keys(spec: Any, where: str) -> dict[str, Any]:
    if not isinstance(spec, Mapping):
        raise ConfigurationError(f"{where} is {shown(spec)}; expected a JSON object")
    return {_CAPITAL.sub("_", str(key)).lower(): value for key, value in spec.items()}


def _refuse_unknown(spec: Mapping[str, Any], known: set[str], where: str) -> None:
    for name in sorted(spec.keys() - known):
        expected = f"expected only {', '.join(sorted(known))}" if known else "it takes no settings"
        raise ConfigurationError(f"{where}.{name} isn't known; {expected}")


def _positive(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{where} is {shown(value)}; expected a whole number from 1 up")
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{where} is {shown(value)}; expected text")
    return value
