"""TFX's ServingSpec as proto3 JSON: which servers are started, where, with what.

::

    {"tensorflow_serving": {"image_name": "…", "tags": ["…"], "digests": ["sha256:…"]},
     "local_docker": {"client_base_url": "…", "network": "…", …},
     "resources": {"memory": "2Gi", "cpus": 2},
     "model_name": "…"}
    {"local_process": {}, "resources": {"memory": "2Gi"}}

Source of names: `tfx/proto/infra_validator.proto`. ``local_process``, ``resources``, and in
``local_docker`` what isn't named ``client_…`` are this project's.
"""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from components.errors import ConfigurationError
from components.infra_validator.proto_json import ProtoObject
from components.model_server import LocalProcess, Runner
from components.model_server.docker_settings import DEFAULT_IMAGE, DockerSettings
from components.record_codec import shown
from components.records import Run

DEFAULT_TAG = "latest"
DEFAULT_MODEL_NAME = "infra-validation-model"
LOCAL_PROCESS, LOCAL_DOCKER, KUBERNETES = "local_process", "local_docker", "kubernetes"
_KNOWN = ("tensorflow_serving", LOCAL_PROCESS, LOCAL_DOCKER, KUBERNETES, "resources", "model_name")
_BINARY = ("image_name", "tags", "digests")
_DOCKER = (
    "client_api_version",
    "client_base_url",
    "client_timeout_seconds",
    "host_ip_address",
    "host_name",
    "host_path_map",
    "model_server_arguments",
    "network",
    "pull",
)
_PULL = ("missing", "never", "always")
_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_IMAGE_NAME = re.compile(r"[a-z0-9][a-z0-9._/-]*(:\d+/[a-z0-9._/-]+)?")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_QUANTITY = re.compile(r"(\d{1,19}(?:\.\d{1,9})?)(Ki|Mi|Gi|Ti|k|M|G|T|)", re.ASCII)
_FACTORS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_FACTORS |= {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


@dataclass(frozen=True)
class Resources:
    """What a server may take; None is no limit of ours."""

    memory_bytes: int | None = None
    cpus: float | None = None
    pids: int | None = None


@dataclass(frozen=True)
class ServingSpec:
    """Which servers are started one after another, and how."""

    containers: tuple[DockerSettings, ...] = ()
    """Empty means our own server as a child process."""
    resources: Resources = field(default_factory=Resources)
    model_name: str = DEFAULT_MODEL_NAME

    @property
    def servers(self) -> tuple[DockerSettings | None, ...]:
        """The containers, or None for the one child process."""
        return self.containers or (None,)

    def labelled(self, run: Run | None) -> Self:
        """Return the same with containers that say which task instance they belong to."""
        if run is None:
            return self
        labels = (
            ("run", run.run_id),
            ("dag", run.dag_id),
            ("task", run.task_id),
            ("try", str(run.try_number)),
        )
        containers = tuple(dataclasses.replace(c, labels=labels) for c in self.containers)
        return dataclasses.replace(self, containers=containers)


def make_runner(
    container: DockerSettings | None, memory_bytes: int | None, max_seconds: float
) -> Runner:
    """Return what starts one of the servers.

    Args:
        container: None for the child process.
        memory_bytes: what the server may take.
        max_seconds: a container is ended after that, whatever happens to this process.
    """
    if container is None:
        return LocalProcess(memory_bytes=memory_bytes)
    from components.model_server.docker_runner import Docker

    return Docker(
        dataclasses.replace(container, memory_bytes=memory_bytes, max_seconds=max_seconds)
    )


def read_serving_spec(value: Mapping[str, Any]) -> ServingSpec:
    """Read one.

    Raises:
        ConfigurationError: an unknown field, a wrong value, no platform or two.
    """
    spec = ProtoObject(value, "serving_spec", _KNOWN)
    if KUBERNETES in spec:
        raise ConfigurationError(
            "serving_spec.kubernetes isn't offered: this process starts no pods. Run "
            "`python -m components.infra_validator` itself in a pod (KubernetesPodOperator) with "
            '{"local_process": {}} in the image of docker/model_server; the README has a manifest'
        )
    platforms = [name for name in (LOCAL_PROCESS, LOCAL_DOCKER) if name in spec]
    if len(platforms) != 1:
        given = " and ".join(platforms) or "no platform"
        raise ConfigurationError(
            f'serving_spec names {given}; expected one of {{"{LOCAL_PROCESS}": {{}}}} and '
            f'{{"tensorflow_serving": {{"tags": ["…"]}}, "{LOCAL_DOCKER}": {{}}}}'
        )
    resources = _read_resources(spec.object("resources", ("memory", "cpus", "pids")))
    model_name = _read_model_name(spec)
    if platforms == [LOCAL_PROCESS]:
        _check_local_process(spec, resources)
        return ServingSpec(resources=resources, model_name=model_name)
    settings = _read_docker(spec.object(LOCAL_DOCKER, _DOCKER), resources)
    images = _read_images(spec.object("tensorflow_serving", _BINARY))
    return ServingSpec(
        containers=tuple(DockerSettings(image=image, **settings) for image in images),
        resources=resources,
        model_name=model_name,
    )


def _check_local_process(spec: ProtoObject, resources: Resources) -> None:
    spec.object(LOCAL_PROCESS, ())
    if "tensorflow_serving" in spec:
        raise ConfigurationError(
            "serving_spec names tensorflow_serving and local_process; a local process is this "
            "project's own server and has no image: leave one out, or give local_docker"
        )
    if resources.cpus is not None or resources.pids is not None:
        raise ConfigurationError(
            "serving_spec.resources limits cpus or pids of a local process; only its memory can "
            "be limited: leave the others out, or give local_docker"
        )


def _read_model_name(spec: ProtoObject) -> str:
    name = spec.text("model_name") or DEFAULT_MODEL_NAME
    if not _MODEL_NAME.fullmatch(name):
        raise ConfigurationError(
            f"serving_spec.model_name is {shown(name)}; expected letters, digits, '_', '.' and '-'"
        )
    return name


def _read_images(spec: ProtoObject) -> tuple[str, ...]:
    name = spec.text("image_name") or DEFAULT_IMAGE
    _expect(_IMAGE_NAME, name, spec.path("image_name"), "a name without tag or digest")
    tags, digests = spec.texts("tags"), spec.texts("digests")
    for tag in tags:
        _expect(_TAG, tag, spec.path("tags"), "letters, digits, '_', '.' and '-'")
    for digest in digests:
        _expect(_DIGEST, digest, spec.path("digests"), "'sha256:' and 64 hexadecimal digits")
    if not tags and not digests:
        tags = (DEFAULT_TAG,)
    return (*(f"{name}:{tag}" for tag in tags), *(f"{name}@{digest}" for digest in digests))


def _expect(pattern: re.Pattern[str], value: str, where: str, expected: str) -> None:
    if not pattern.fullmatch(value):
        raise ConfigurationError(f"{where} is {shown(value)}; expected {expected}")


def _read_docker(spec: ProtoObject, resources: Resources) -> dict[str, Any]:
    if "host_name" in spec and "host_ip_address" in spec:
        raise ConfigurationError(f"{spec.where} has host_name and host_ip_address; give one")
    read = {
        "client_base_url": spec.text("client_base_url"),
        "client_api_version": spec.text("client_api_version"),
        "client_timeout_seconds": spec.count("client_timeout_seconds"),
        "network": spec.text("network"),
        "host_path_map": _read_path_map(spec),
        "host_name": spec.text("host_name") or spec.text("host_ip_address"),
        "pull": spec.choice("pull", _PULL),
        "model_server_arguments": spec.texts("model_server_arguments"),
        "memory_bytes": resources.memory_bytes,
        "cpus": resources.cpus,
        "pids_limit": resources.pids,
    }
    return {name: value for name, value in read.items() if value is not None}


def _read_path_map(spec: ProtoObject) -> tuple[tuple[str, str], ...]:
    value = spec.raw("host_path_map")
    if value is None:
        return ()
    where = spec.path("host_path_map")
    if not isinstance(value, Mapping):
        raise ConfigurationError(
            f'{where} is {shown(value)}; expected {{"path here": "path on the engine\'s host"}}'
        )
    for path in (*value.keys(), *value.values()):
        if not isinstance(path, str) or not path.startswith("/"):
            raise ConfigurationError(f"{where} holds {shown(path)}; expected absolute paths")
    return tuple(value.items())


def _read_resources(spec: ProtoObject) -> Resources:
    return Resources(
        memory_bytes=_read_memory(spec), cpus=spec.positive("cpus"), pids=spec.count("pids")
    )


def _read_memory(spec: ProtoObject) -> int | None:
    value = spec.raw("memory")
    if value is None:
        return None
    is_given = isinstance(value, int | str) and not isinstance(value, bool)
    match = _QUANTITY.fullmatch(str(value)) if is_given else None
    num_bytes = int(float(match[1]) * _FACTORS[match[2]]) if match else 0
    if num_bytes < 1:
        raise ConfigurationError(
            f"{spec.path('memory')} is {shown(value)}; expected bytes as a number, or an amount "
            "such as '512Mi' or '4Gi'"
        )
    return num_bytes
