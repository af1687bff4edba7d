"""The pod manifest: of Kubernetes' form, and its command works in the image under its limits."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import yaml
from docker.types import Mount
from kubernetes import client as kubernetes

import docker_images
from components import artifacts, records
from components.infra_validator.__main__ import build_parser

ARTIFACTS = "/srv/imprimatur/artifacts"
FOLDER = Path(__file__).resolve().parents[3] / "docker" / "kubernetes"
MODELS = {"Pod": "V1Pod", "NetworkPolicy": "V1NetworkPolicy"}


@pytest.fixture(scope="module")
def documents():
    """One in each file: KubernetesPodOperator reads no more."""
    read = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in FOLDER.glob("*.yaml")]
    return {document["kind"]: document for document in read}


@pytest.fixture(scope="module")
def pod(documents):
    return documents["Pod"]["spec"]


@pytest.fixture(scope="module")
def container(pod):
    (container,) = pod["containers"]
    return container


def through_models(document):
    """What is left of a document that Kubernetes' models have read."""
    api = kubernetes.ApiClient()
    read = api.deserialize(json.dumps(document), MODELS[document["kind"]], "application/json")
    return api.sanitize_for_serialization(read)


@pytest.mark.parametrize("kind", MODELS)
def test_kubernetes_knows_every_field(documents, kind):
    assert through_models(documents[kind]) == documents[kind]


def test_a_misspelt_field_would_be_found(documents):
    pod = documents["Pod"]
    wrong = {**pod, "spec": {**pod["spec"], "restart_policy": "Never"}}
    assert through_models(wrong) == pod


def test_the_command_line_takes_its_arguments(container):
    assert container["command"][-2:] == ["-m", "components.infra_validator"]
    given = [text.partition("=")[0] for text in container["args"]]
    known = {name for action in build_parser()._actions for name in action.option_strings}
    assert set(given) <= known


def test_the_policy_is_on_the_pod(documents):
    policy = documents["NetworkPolicy"]["spec"]
    labels = documents["Pod"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert sorted(policy["policyTypes"]) == ["Egress", "Ingress"]
    assert not policy.keys() & {"ingress", "egress"}  # nothing is allowed


def test_volumes_are_those_that_are_mounted(pod, container):
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod["volumes"]}


@pytest.fixture
def volumes(good_model, infra_examples, tmp_path):
    """What the claims hold: a model and examples, and room for the blessing."""
    stored = tmp_path / "artifacts"
    model = stored / "model" / "Format-Serving"
    shutil.copytree(good_model, model)
    shutil.copytree(infra_examples.uri, stored / "examples" / "data")
    made = artifacts.read_manifest(model)
    write(
        stored / "model" / "record.json",
        records.Model(
            uri=f"{ARTIFACTS}/model/Format-Serving", digest=made.digest, num_bytes=made.num_bytes
        ),
    )
    write(
        stored / "examples" / "record.json",
        dataclasses.replace(infra_examples, uri=f"{ARTIFACTS}/examples/data"),
    )
    blessings = tmp_path / "blessings"
    blessings.mkdir()
    blessings.chmod(0o777)  # what fsGroup is for in a cluster
    return {"artifacts": stored, "blessings": blessings}


def write(path, record):
    path.write_text(json.dumps(record.to_json()))


@pytest.mark.docker
@pytest.mark.slow
def test_its_command_blesses_a_good_model(docker_client, pod, container, volumes):
    """As a kubelet would run it: user, file systems, capabilities and memory are the manifest's."""
    security = pod["securityContext"]
    assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
    mounts = [
        Mount(
            target=mount["mountPath"],
            source=str(volumes[mount["name"]]),
            type="bind",
            read_only=mount.get("readOnly", False),
        )
        for mount in container["volumeMounts"]
        if mount["name"] in volumes
    ]
    image = docker_images.model_server_image(docker_client)
    running = docker_client.containers.create(
        image,
        entrypoint=container["command"],
        command=container["args"],
        user=f"{security['runAsUser']}:{security['runAsGroup']}",
        read_only=container["securityContext"]["readOnlyRootFilesystem"],
        cap_drop=container["securityContext"]["capabilities"]["drop"],
        security_opt=["no-new-privileges:true"],
        mem_limit=container["resources"]["limits"]["memory"].removesuffix("i"),
        tmpfs={"/tmp": "rw,size=1g"},
        mounts=mounts,
        network_mode="none",
    )
    try:
        running.start()
        code = running.wait(timeout=pod["activeDeadlineSeconds"])["StatusCode"]
        out = running.logs(stdout=True, stderr=False).decode()
        assert code == 0, running.logs().decode()
    finally:
        running.remove(force=True)
    blessing = records.load(out.splitlines()[-1])
    assert blessing.blessed
    assert blessing == records.load(volumes["blessings"] / "infra" / "record.json")
