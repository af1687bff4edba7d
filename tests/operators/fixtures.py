"""Fixtures of all tests that run operators: components that are faked as child processes."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.airflow_home import REPOSITORY

# isort: split
from airflow.sdk.bases.operator import ExecutorSafeguard

from operators import _component_task, _process

FAKE = REPOSITORY / "tests" / "operators" / "fake_component.py"
ExecutorSafeguard.test_mode = True


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with artifacts and serving folders of its own."""
    monkeypatch.setenv("IMPRIMATUR_ARTIFACTS", str(tmp_path / "artifacts"))
    monkeypatch.setenv("IMPRIMATUR_SERVING_ROOT", str(tmp_path / "serving"))
    monkeypatch.delenv("IMPRIMATUR_SIGNING_KEY", raising=False)
    return tmp_path


@pytest.fixture
def fake_components(installation: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replace all components but the pusher; call it with the behaviour of some."""

    def command(name: str, arguments: list[str]) -> list[str]:
        if name == "pusher":
            return _process.component_command(name, arguments)
        return [sys.executable, str(FAKE), name, *arguments]

    def behave(**behaviours: str) -> None:
        monkeypatch.setenv("FAKE_COMPONENTS", json.dumps(behaviours))

    monkeypatch.setattr(_component_task, "component_command", command)
    return behave
