"""Where artifacts, serving folders and a user's files lie."""

import os
from pathlib import Path

import pytest

from components.artifact_path import artifact_directory, encode
from components.errors import ConfigurationError
from components.records import Run
from operators import settings
from operators._component_task import resolve_path
from tests.airflow_home import REPOSITORY
from tests.operators.contexts import make_context

RUN = Run("flights", "manual__2013-01-01T00:00:00+00:00", "trainer", try_number=2)


def test_an_artifact_lies_below_dag_run_and_task_percent_encoded():
    path = artifact_directory(Path("/a"), RUN)
    assert path.parent == Path("/a/flights/manual__2013-01-01T00%3A00%3A00%2B00%3A00/trainer")
    attempt, _, random = path.name.partition("-")
    assert (attempt, len(random), int(random, 16) >= 0) == ("2", 8, True)


def test_each_call_gives_another_path():
    assert artifact_directory(Path("/a"), RUN) != artifact_directory(Path("/a"), RUN)


def test_a_mapped_task_has_its_index_in_the_path():
    mapped = Run("flights", "r", "trainer", map_index=3)
    assert artifact_directory(Path("/a"), mapped).parent == Path("/a/flights/r/trainer/3")


@pytest.mark.parametrize("part", ["a/b", "..", ".", "é" * 100, "x" * 300, "a b\n", "%2F"])
def test_any_id_becomes_one_file_name(part, tmp_path):
    name = encode(part)
    (tmp_path / name).mkdir()
    assert [child.name for child in tmp_path.iterdir()] == [name]


def test_different_ids_never_share_a_name():
    ids = ["a/b", "a%2Fb", "..", "%2E%2E", "x" * 300, "x" * 301, "X" * 300]
    assert len({encode(part) for part in ids}) == len(ids)


def test_settings_default_to_folders_of_airflows_home(monkeypatch, tmp_path):
    for name in ("ARTIFACTS", "SERVING_ROOT", "DATA"):
        monkeypatch.delenv(f"IMPRIMATUR_{name}", raising=False)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    assert settings.artifacts_root() == tmp_path / "artifacts"
    assert settings.serving_root() == tmp_path / "serving"
    assert settings.data_root() == tmp_path / "data"
    monkeypatch.setenv("IMPRIMATUR_SERVING_ROOT", "/elsewhere")
    assert settings.serving_root() == Path("/elsewhere")


def test_training_runs_where_airflow_says_unless_it_is_set(monkeypatch):
    assert settings.training_placement() == {}
    monkeypatch.setenv("IMPRIMATUR_TRAINING_QUEUE", "gpu")
    monkeypatch.setenv("IMPRIMATUR_TRAINING_POOL", "training")
    assert settings.training_placement() == {"queue": "gpu", "pool": "training"}


def test_a_relative_file_is_found_in_the_bundle_first(tmp_path):
    bundle = tmp_path / "bundle"
    (bundle / "models").mkdir(parents=True)
    (bundle / "models" / "module.py").touch()
    context = make_context("trainer")
    context["ti"].bundle_instance.path = bundle
    assert resolve_path("models/module.py", context) == str(bundle / "models" / "module.py")


def test_a_relative_file_is_found_beside_a_folder_of_dags(tmp_path):
    (tmp_path / "dags").mkdir()
    (tmp_path / "module.py").touch()
    context = make_context("trainer")
    context["ti"].bundle_instance.path = tmp_path / "dags"
    assert resolve_path("module.py", context) == str(tmp_path / "module.py")


def test_a_relative_file_is_found_in_the_project(tmp_path):
    context = make_context("trainer")
    context["ti"].bundle_instance.path = tmp_path
    assert resolve_path("pyproject.toml", context) == str(REPOSITORY / "pyproject.toml")


def test_an_absolute_path_stays(tmp_path):
    assert resolve_path(str(tmp_path / "no"), make_context("trainer")) == str(tmp_path / "no")


def test_a_missing_file_is_named_with_the_places_looked_at(tmp_path):
    context = make_context("trainer")
    context["ti"].bundle_instance.path = tmp_path
    with pytest.raises(ConfigurationError, match=rf"no 'models/no\.py' below any of {tmp_path}"):
        resolve_path("models/no.py", context)


def test_a_home_with_a_tilde_is_expanded(monkeypatch):
    monkeypatch.setenv("AIRFLOW_HOME", "~/airflow")
    monkeypatch.delenv("IMPRIMATUR_DATA", raising=False)
    assert str(settings.data_root()) == os.path.expanduser("~/airflow/data")  # noqa: PTH111
