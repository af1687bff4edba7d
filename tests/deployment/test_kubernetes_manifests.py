"""What is given to Kubernetes and to Airflow's chart: of the right form, and one with the rest."""

import copy
import importlib.util
import re
from importlib import resources
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from components.model_server import flags
from tests.airflow_home import REPOSITORY

FOLDER = REPOSITORY / "docker" / "kubernetes"
VALUES_FILE = FOLDER / "airflow" / "values.yaml"
VERSIONS = ("1.33", "1.37")
"""Of Kubernetes: one that is still run, and the newest that the checker knows."""


def documents_in(path):
    return [one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one]


DOCUMENTS = [
    pytest.param(document, id=f"{document['kind']}-{document['metadata']['name']}")
    for path in sorted(FOLDER.rglob("*.yaml"))
    if path != VALUES_FILE
    for document in documents_in(path)
]


@pytest.fixture(scope="module")
def values():
    (values,) = documents_in(VALUES_FILE)
    return values


@pytest.fixture(scope="module")
def serving():
    paths = (FOLDER / "serving").glob("*.yaml")
    return {document["kind"]: document for path in paths for document in documents_in(path)}


def claims():
    documents = documents_in(FOLDER / "storage" / "claims.yaml")
    return {document["metadata"]["name"] for document in documents}


def validate(document, version=VERSIONS[-1]):
    return kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_manifest_has_the_form_that_kubernetes_wants(document, version):
    assert validate(document, version) == version


def test_a_misspelt_field_and_a_wrong_type_would_be_found(serving):
    for name, value in (("readinesProbe", {}), ("image", 7), ("ports", [{"port": 1}])):
        wrong = copy.deepcopy(serving["Deployment"])
        wrong["spec"]["template"]["spec"]["containers"][0][name] = value
        with pytest.raises(kubernetes_validate.ValidationError):
            validate(wrong)


def test_claims_that_are_mounted_are_made(values, serving):
    mounted = set(
        re.findall(r"claimName: ([\w-]+)", (FOLDER / "infra_validator_pod.yaml").read_text())
    )
    mounted |= set(re.findall(r"claimName: ([\w-]+)", VALUES_FILE.read_text()))
    mounted |= set(re.findall(r"'claimName': '([\w-]+)'", str(serving)))
    mounted |= {values["logs"]["persistence"]["existingClaim"]}
    assert mounted == claims()


def test_the_validators_pod_finds_artifacts_where_records_say(values):
    (pod,) = documents_in(FOLDER / "infra_validator_pod.yaml")
    (container,) = pod["spec"]["containers"]
    (artifacts,) = [one for one in container["volumeMounts"] if one["name"] == "artifacts"]
    env = {variable["name"]: variable["value"] for variable in values["env"]}
    assert artifacts["mountPath"] == env["IMPRIMATUR_ARTIFACTS"]
    read = [one for one in container["args"] if one.startswith(("--model=", "--examples="))]
    assert len(read) == 2
    assert all(f"={env['IMPRIMATUR_ARTIFACTS']}/" in one for one in read)


def test_the_service_and_the_policies_are_about_the_servers(serving):
    deployment = serving["Deployment"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    service, budget = serving["Service"]["spec"], serving["PodDisruptionBudget"]["spec"]
    policy = serving["NetworkPolicy"]["spec"]
    for selector in (
        deployment["selector"]["matchLabels"],
        service["selector"],
        budget["selector"]["matchLabels"],
        policy["podSelector"]["matchLabels"],
    ):
        assert selector
        assert selector.items() <= labels.items()
    (container,) = deployment["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert {port["targetPort"]: port["port"] for port in service["ports"]} == ports
    assert {port["port"] for port in policy["ingress"][0]["ports"]} == set(ports)
    assert container["readinessProbe"]["httpGet"]["port"] in ports
    assert "Egress" in policy["policyTypes"]
    assert "egress" not in policy  # nothing is allowed


def test_our_own_server_takes_the_same_settings(serving, monkeypatch):
    (container,) = serving["Deployment"]["spec"]["template"]["spec"]["containers"]
    for variable in container["env"]:
        monkeypatch.setenv(variable["name"], variable["value"])
    arguments = flags.parse(container.get("args", []))
    assert arguments.model_name == "flight_delays"
    assert str(arguments.model_base_path) == "/models/flight_delays"
    probe = container["readinessProbe"]["httpGet"]
    assert probe["path"] == f"/v1/models/{arguments.model_name}"
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert mounts["/models"]["readOnly"]


def test_the_values_parts_are_of_kubernetes_form(values):
    """As the chart puts them together; its own keys were checked by its schema."""
    celery = values["workers"]["celery"]
    for workers in (celery, *celery["sets"]):
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "worker"},
            "spec": {
                "containers": [
                    {
                        "name": "worker",
                        "image": "{repository}:{tag}".format(**values["images"]["airflow"]),
                        "env": [*values["env"], *workers.get("env", [])],
                        "volumeMounts": values["volumeMounts"],
                        "resources": workers["resources"],
                    }
                ],
                "volumes": values["volumes"],
                "nodeSelector": workers.get("nodeSelector", {}),
                "tolerations": workers.get("tolerations", []),
            },
        }
        validate(pod)
        resources_of = workers["resources"]
        for name, wanted in resources_of["requests"].items():
            assert quantity(wanted) <= quantity(resources_of["limits"][name]), name


def quantity(text):
    number, unit = re.fullmatch(r"([\d.]+)(\w*)", text).groups()
    return float(number) * {"": 1, "m": 1e-3, "Mi": 2**20, "Gi": 2**30}[unit]


def test_the_values_name_settings_that_this_project_reads(values):
    sources = [*(REPOSITORY / "components").rglob("*.py"), *(REPOSITORY / "operators").glob("*.py")]
    read = set(re.findall(r"IMPRIMATUR_[A-Z_]+", "\n".join(path.read_text() for path in sources)))
    given = {variable["name"] for variable in values["env"]}
    given |= {secret["envName"] for secret in values["secret"]}
    assert given <= read
    env = {variable["name"]: variable["value"] for variable in values["env"]}
    mounts = {mount["mountPath"] for mount in values["volumeMounts"]}
    assert {env[f"IMPRIMATUR_{name}"] for name in ("ARTIFACTS", "SERVING_ROOT", "DATA")} == mounts
    queues = {workers["queue"] for workers in values["workers"]["celery"]["sets"]}
    assert env["IMPRIMATUR_TRAINING_QUEUE"] in queues


@pytest.mark.parametrize("section", ["core", "logging"])
def test_the_values_configure_options_that_airflow_has(values, section):
    template = resources.files("airflow.config_templates") / "config.yml"
    known = yaml.safe_load(template.read_text(encoding="utf-8"))
    assert values["config"][section].keys() <= known[section]["options"].keys()


def test_the_values_carry_the_mapping_of_metrics(values):
    (mapping,) = documents_in(REPOSITORY / "docker" / "observability" / "statsd_mapping.yaml")
    assert values["statsd"]["extraMappings"] == mapping["mappings"]


def test_the_values_hold_no_password():
    text = VALUES_FILE.read_text(encoding="utf-8")
    given = re.findall(r"^\s*\w*(?:password|Password|pass|secretKey): *(\S+)", text, re.MULTILINE)
    assert [value for value in given if value not in ("notify",)] == []


def test_beams_options_in_the_document_are_beams():
    text = (REPOSITORY / "docs" / "kubernetes.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| .*--runner=.*$", text, re.MULTILINE)
    given = {name for row in rows for name in re.findall(r"`--(\w+)=", row)}
    package = Path(importlib.util.find_spec("apache_beam").origin).parent
    source = (package / "options" / "pipeline_options.py").read_text(encoding="utf-8")
    assert {"runner", "flink_master", "spark_master_url", "environment_config"} <= given
    assert given <= set(re.findall(r"'--(\w+)'", source))
