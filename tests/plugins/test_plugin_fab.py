"""Who sees which model where rights are given by DAG, by Airflow's FabAuthManager."""

import subprocess
import sys
from dataclasses import dataclass

import httpx
import pytest

from scripts.local_airflow import REPOSITORY, LocalAirflow
from tests.plugins.conftest import MODEL, Installation, publish_models

pytestmark = [pytest.mark.slow]

PASSWORD = "correct horse"
MANAGER = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"


@dataclass(frozen=True)
class FabInstallation(Installation):
    """Users are in the database, and all have one password."""

    def password(self, user):
        return PASSWORD


@pytest.fixture(scope="module")
def fab(tmp_path_factory):
    home = tmp_path_factory.mktemp("airflow-fab")
    publish_models(home / "serving")
    settings = {
        "IMPRIMATUR_ARTIFACTS": str(home / "artifacts"),
        "IMPRIMATUR_SERVING_ROOT": str(home / "serving"),
        "AIRFLOW__CORE__AUTH_MANAGER": MANAGER,
    }
    with LocalAirflow(
        home=home, commands=("api-server",), settings=settings, preferred_port=0
    ) as airflow:
        command = [sys.executable, "-m", "tests.plugins.fab_users", PASSWORD]
        made = subprocess.run(
            command, cwd=REPOSITORY, env=airflow.environment, capture_output=True, text=True
        )
        assert made.returncode == 0, made.stderr[-3000:]
        airflow.wait_until_ready()
        yield FabInstallation(airflow, home)


def models(client):
    answer = client.get("/imprimatur/models").raise_for_status()
    return [model["name"] for model in answer.json()["models"]]


def test_nobody_is_answered_who_is_not_logged_in(fab):
    with fab.log_in("") as anonymous:
        assert anonymous.get("/imprimatur/models").status_code == httpx.codes.UNAUTHORIZED


def test_an_administrator_sees_all_models_and_may_do_everything(fab):
    with fab.log_in("admin") as client:
        assert models(client) == ["damaged", MODEL, "from_tfx", "secret"]
        actions = client.get(f"/imprimatur/models/{MODEL}").json()["actions"]
        assert all(action["allowed"] for action in actions.values())


def test_who_may_see_no_dag_sees_no_model(fab):
    with fab.log_in("nobody") as client:
        assert models(client) == []
        for route in (f"models/{MODEL}", f"models/{MODEL}/history", f"models/{MODEL}/lint"):
            assert client.get(f"/imprimatur/{route}").status_code == httpx.codes.NOT_FOUND
        answer = client.get(f"/imprimatur/runs/{MODEL}/x")
        assert answer.status_code == httpx.codes.FORBIDDEN


def test_who_may_see_one_dag_sees_its_model_alone_and_may_press_nothing(fab):
    with fab.log_in("limited") as client:
        assert models(client) == [MODEL]
        shown = client.get(f"/imprimatur/models/{MODEL}").json()
        assert not any(action["allowed"] for action in shown["actions"].values())
        assert client.get("/imprimatur/models/secret").status_code == httpx.codes.NOT_FOUND
        answer = client.get("/imprimatur/runs/secret/run")
        assert answer.status_code == httpx.codes.FORBIDDEN


def test_each_button_is_allowed_by_the_rights_on_the_dag_that_it_starts(fab):
    with fab.log_in("operator") as client:
        actions = client.get(f"/imprimatur/models/{MODEL}").json()["actions"]
        allowed = [name for name, action in actions.items() if action["allowed"]]
        assert allowed == ["rollback"]
