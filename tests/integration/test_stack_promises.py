"""What docker-compose.yml, .env.example and the settings promise; without an engine."""

import os
import re
import stat
import subprocess
import tomllib

import pytest
import yaml

from components.errors import ConfigurationError
from operators import settings
from operators.model_settings import Timeouts
from scripts.stack import main
from scripts.stack_compose import PROFILES, compose_program
from scripts.stack_settings import (
    EXAMPLE,
    REPOSITORY,
    StackError,
    make_secrets,
    read_settings,
    write_env_file,
)
from tests.integration.stack_installation import require_compose

COMPOSE_FILE = REPOSITORY / "docker-compose.yml"
DOCKERFILE = REPOSITORY / "docker" / "airflow" / "Dockerfile"
MACHINES_OWN = {"DOCKER_SOCKET", "IMPRIMATUR_SERVING_SPEC", "IMPRIMATUR_MAX_DATA_AGE_HOURS"}
"""Where nothing is said, there is no socket, and so on; .env.example says what one wants."""


@pytest.fixture(scope="module")
def services():
    return yaml.safe_load(COMPOSE_FILE.read_text())["services"]


@pytest.fixture(scope="module")
def long_running(services):
    return {name: service for name, service in services.items() if name != "init"}


def variables():
    """Return each variable that the Compose file uses, with its default or None."""
    text = re.sub(r"\$\$", "", COMPOSE_FILE.read_text())
    found = {}
    for name, default in re.findall(r"\$\{(\w+)(?::-([^}]*))?", text):
        found[name] = found.get(name) or default
    return found


def examples():
    return read_settings(EXAMPLE).values


def test_ports_are_on_this_machine_alone(services):
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_what_runs_for_long_is_checked_limited_and_started_again(long_running):
    for name, service in long_running.items():
        assert service["restart"] == "unless-stopped", name
        assert service["healthcheck"]["test"], name
        assert service["mem_limit"], name
        assert service["cpus"], name
        assert service["logging"]["options"]["max-size"], name


def test_what_is_said_to_containers_holds_no_secret(services):
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|_KEY|CONN|BROKER_URL|RESULT_BACKEND", variable):
                assert variable.endswith(("_CMD", "_FILE")), (name, variable)
                assert re.fullmatch(r"(cat )?/run/secrets/\w+", value), (name, variable)


def test_secrets_that_are_named_are_given(services):
    for name, service in services.items():
        text = yaml.safe_dump({**service, "secrets": None})
        assert set(re.findall(r"/run/secrets/(\w+)", text)) <= set(service.get("secrets", ())), name


def test_the_first_users_password_is_for_who_makes_them(services):
    with_it = {name for name, s in services.items() if "admin_password" in s.get("secrets", ())}
    assert with_it == {"init"}


def test_workers_get_nothing_of_the_database(services):
    for name in ("worker", "worker-training"):
        assert "sql_alchemy_conn" not in services[name]["secrets"]
        assert "database" not in services[name]["networks"]


def test_directories_have_the_same_path_everywhere(services):
    elsewhere = {"/opt/airflow/logs", "/var/run/docker.sock"}
    for name, service in services.items():
        for volume in service.get("volumes", ()):
            if isinstance(volume, dict) and volume["target"] not in elsewhere:
                assert volume["source"].split(":")[0] == volume["target"].split(":")[0], name


def test_only_stores_have_volumes_of_the_engine(services):
    named = {
        name
        for name, service in services.items()
        for volume in service.get("volumes", ())
        if isinstance(volume, str)
    }
    assert named == {"postgres", "redis"}


def test_the_engine_is_where_tasks_run_and_nowhere_else(services):
    with_engine = {name for name, service in services.items() if "docker.sock" in str(service)}
    assert with_engine == {"worker", "scheduler-local"}


def test_what_is_served_is_writable_where_models_are_pushed_and_nowhere_else(services):
    writing = {
        name
        for name, service in services.items()
        for volume in service.get("volumes", ())
        if "IMPRIMATUR_SERVING_ROOT" in str(volume) and not volume.get("read_only")
    }
    assert writing == {"init", "worker", "scheduler-local"}


def test_redis_gives_no_task_to_another_worker_while_it_may_run(services):
    variable = "AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT"
    given = {**vars(Timeouts())}
    given.pop("approval")  # it waits in the database, not on a worker
    for name in ("scheduler", "worker", "worker-training"):
        seconds = int(services[name]["environment"][variable])
        assert seconds > max(given.values()).total_seconds()


def test_trainings_have_as_many_slots_as_their_worker(services):
    *_, concurrency = services["worker-training"]["command"]
    environment = services["worker-training"]["environment"]
    assert environment["STACK_TRAINING_SLOTS"] == concurrency
    *_, concurrency = services["worker"]["command"]
    assert environment["STACK_SLOTS"] == concurrency
    assert environment["IMPRIMATUR_TRAINING_QUEUE"] in services["worker-training"]["command"]


def test_profiles_differ_in_who_runs_the_tasks(services):
    of = {
        profile: {name for name, service in services.items() if profile in service["profiles"]}
        for profile in PROFILES
    }
    assert of["full"] - of["small"] == {"redis", "scheduler", "worker", "worker-training"}
    assert of["small"] - of["full"] == {"scheduler-local"}


def test_each_variable_is_explained_and_used():
    assert set(variables()) | {"COMPOSE_PROJECT_NAME"} == set(examples())
    comment = False
    for block in EXAMPLE.read_text().split("\n\n"):
        comment = block.startswith("# ")
        assert comment, block


def test_defaults_are_those_of_the_example():
    defaults = {name: value for name, value in variables().items() if value is not None}
    for name in set(defaults) - MACHINES_OWN:
        if defaults[name]:
            assert examples()[name] == defaults[name], name


def test_airflow_is_the_projects_own_version():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    (version,) = [
        line.partition("==")[2] for line in project["dependencies"] if "apache-airflow==" in line
    ]
    image = re.search(r"^ARG BASE_IMAGE=(.*)$", DOCKERFILE.read_text(), re.MULTILINE)[1]
    assert image.startswith(f"apache/airflow:slim-{version}-python3.")
    assert examples()["AIRFLOW_BASE_IMAGE"] == image


def test_packages_are_the_locks():
    def pins(path):
        return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", path.read_text(), re.MULTILINE))

    lock = pins(REPOSITORY / "requirements.txt")
    image = pins(REPOSITORY / "docker" / "airflow" / "requirements.txt")
    needed = {"apache-airflow-providers-celery", "apache-airflow-providers-fab", "psycopg2-binary"}
    assert needed <= image.keys()
    assert lock.items() <= image.items()


@pytest.mark.parametrize("profile", PROFILES)
def test_compose_accepts_it(profile):
    require_compose()
    command = [*compose_program(), "--env-file", str(EXAMPLE), "--profile", profile, "config"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    read = yaml.safe_load(done.stdout)["services"]
    spec = read["dag-processor"]["environment"]["IMPRIMATUR_SERVING_SPEC"]
    assert spec == examples()["IMPRIMATUR_SERVING_SPEC"]


def test_secrets_are_generated_once_and_for_their_owner_alone(tmp_path):
    make_secrets(tmp_path / "secrets", os.getuid() or 50000)
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    declared = yaml.safe_load(COMPOSE_FILE.read_text())["secrets"]
    assert set(made) == set(declared)
    assert len(set(made.values())) == len(made)
    for path in (tmp_path / "secrets").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.stat().st_uid == (os.getuid() or 50000)
    make_secrets(tmp_path / "secrets", os.getuid() or 50000)
    assert made == {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}


def test_two_installations_share_no_secret(tmp_path):
    for name in ("one", "two"):
        make_secrets(tmp_path / name, os.getuid() or 50000)
    one, two = ({p.read_text() for p in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert not one & two


def test_the_env_file_is_the_example_with_this_machines_values(tmp_path):
    write_env_file(tmp_path / ".env", tmp_path / "state", {"AIRFLOW_PORT": "18080"})
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    written = read_settings(tmp_path / ".env")
    assert written.values.keys() == examples().keys()
    assert written["AIRFLOW_PORT"] == "18080"
    assert written["IMPRIMATUR_SERVING_ROOT"] == str(tmp_path / "state" / "serving")
    assert written.uid != 0
    assert int(written["WORKER_CPUS"]) <= os.cpu_count()


def test_candidates_are_validated_as_the_installation_says(monkeypatch):
    monkeypatch.delenv("IMPRIMATUR_SERVING_SPEC", raising=False)
    assert settings.serving_spec() == {"local_process": {}}
    monkeypatch.setenv("IMPRIMATUR_SERVING_SPEC", examples()["IMPRIMATUR_SERVING_SPEC"])
    spec = settings.serving_spec()
    assert spec["local_docker"]["network"] == examples()["VALIDATION_NETWORK"]
    image = f"{spec['tensorflow_serving']['image_name']}:{spec['tensorflow_serving']['tags'][0]}"
    assert image == examples()["MODEL_SERVER_IMAGE"]
    monkeypatch.setenv("IMPRIMATUR_SERVING_SPEC", "local_process")
    with pytest.raises(ConfigurationError, match="IMPRIMATUR_SERVING_SPEC is 'local_process'"):
        settings.serving_spec()


def test_airflow_is_never_root(tmp_path, capsys):
    write_env_file(tmp_path / ".env", tmp_path / "state", {"AIRFLOW_UID": "0"})
    assert main(["--env-file", str(tmp_path / ".env"), "up", "--no-build"]) == 1
    assert "never as root" in capsys.readouterr().err


def test_without_an_env_file_it_says_what_to_do(tmp_path, capsys):
    assert main(["--env-file", str(tmp_path / ".env"), "down"]) == 1
    assert "scripts/stack up writes it" in capsys.readouterr().err


def test_a_setting_that_is_missing_is_named(tmp_path):
    (tmp_path / ".env").write_text("AIRFLOW_PORT=8080\n")
    with pytest.raises(StackError, match="MODEL_NAME isn't set"):
        read_settings(tmp_path / ".env")["MODEL_NAME"]
