"""A real Airflow with users of different rights, and models to show."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from components.records import Bound, Finding
from scripts.airflow_client import password_of, patient_client
from scripts.local_airflow import LocalAirflow
from tests.components.pusher.pusher_workshop import Workshop

USERS = "admin:admin,vic:viewer"
MODEL = "flight_delays"
PREFIX = "/airflow"
"""Addresses that work below one work at the root too, and the demo and other tests are there."""
EVIL = "<img src=x onerror=alert(1)>"


@dataclass(frozen=True)
class Installation:
    """A running Airflow with models in its serving root."""

    airflow: LocalAirflow
    home: Path

    @property
    def address(self) -> str:
        return self.airflow.address

    @property
    def serving_root(self) -> Path:
        return self.home / "serving"

    def password(self, user: str) -> str:
        return password_of(self.home, user)

    def log_in(self, user: str) -> httpx.Client:
        """Return a client with the user's rights; an anonymous one for an empty name."""
        headers = {}
        if user:
            credentials = {"username": user, "password": self.password(user)}
            with patient_client(self.address) as client:
                answer = client.post("/auth/token", json=credentials)
            headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access_token']}"
        return patient_client(self.address, headers=headers)


def workshop(root: Path, name: str) -> Workshop:
    """Return a workshop that pushes to a model of the serving root."""
    made = Workshop(root / name)
    made.base = root / name
    made.directory = root.parent / "workshop" / name
    made.folder = type(made.folder)(made.base)
    return made


def publish_models(root: Path) -> None:
    """Make what the views have to show: live, kept, withdrawn, foreign and damaged."""
    flights = workshop(root, MODEL)
    for month in (2, 3, 4):
        model = flights.model(f"graph {month}", month)
        overall, evil = (
            Finding(
                "value_threshold",
                True,
                f"auc is 0.7{month}",
                metric="auc",
                observed=0.7 + month / 100,
                baseline=0.69 + month / 100,
                bound=Bound(lower=0.6),
                slice=where,
            )
            for where in ({}, {"carrier": EVIL})
        )
        blessings = [flights.bless(model, findings=(overall, evil)), flights.bless(model, "infra")]
        run = flights.run(dag_id=MODEL, run_id=f"scheduled__2013-{month:02d}-01T00:00:00+00:00")
        flights.push(model, blessings, run=run)
    flights.rollback(f"error rate doubled {EVIL}", by="ada")
    secret = workshop(root, "secret")
    secret.push(secret.model("graph", 2), run=secret.run(dag_id="secret"))
    foreign = workshop(root, "from_tfx")
    foreign.write_model(foreign.base / "1700000000")
    damaged = workshop(root, "damaged")
    pushed = damaged.push(damaged.model("graph", 2))
    damaged.folder.record_path(int(pushed.version)).write_text("{")


@pytest.fixture(scope="module")
def installation(tmp_path_factory) -> Iterator[Installation]:
    home = tmp_path_factory.mktemp("airflow")
    publish_models(home / "serving")
    settings = {
        "IMPRIMATUR_ARTIFACTS": str(home / "artifacts"),
        "IMPRIMATUR_SERVING_ROOT": str(home / "serving"),
        "IMPRIMATUR_DATA": str(home / "data"),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": USERS,
    }
    airflow = LocalAirflow(home=home, settings=settings, prefix=PREFIX, preferred_port=0)
    with airflow:
        airflow.wait_until_healthy().http.close()
        yield Installation(airflow, home)
