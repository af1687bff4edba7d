"""What ``scripts/stack`` reads, keeps and refuses; without an engine."""

import dataclasses
import os
from pathlib import Path

import pytest

from scripts.stack import main, published_in, set_aside
from scripts.stack_compose import INIT, MAX_RESTARTS, Compose, Service
from scripts.stack_settings import (
    EXAMPLE,
    StackError,
    make_secrets,
    read_settings,
    write_env_file,
)

UID = os.getuid() or 50000
WORKER = Service("worker", "c1", "healthy", 0, "2026-01-01T00:00:00Z", 0)
FAILED = Service(INIT, "c2", "exited", 1, "2026-01-01T00:00:00Z", 0)


def env(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "x.env"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("MODEL_NAME=flights", "flights"),
        ("MODEL_NAME='flights'", "flights"),
        ('MODEL_NAME="flights of NYC" # ours', "flights of NYC"),
        ("MODEL_NAME=flights # ours", "flights"),
        ("MODEL_NAME=a#b", "a#b"),
        ("MODEL_NAME=flights \t", "flights"),
        ('MODEL_NAME={"a": ["b c"]}', '{"a": ["b c"]}'),
        ("MODEL_NAME='{\"a\": 1}' # as JSON", '{"a": 1}'),
        ('MODEL_NAME="a $b"', None),
        ('MODEL_NAME="a" b', None),
        ("MODEL_NAME='a", None),
        ("MODEL_NAME=a$b", None),
        ("MODEL_NAME='a$b'", "a$b"),
        ("MODEL_NAME='a${b}'", None),
    ],
)
def test_values_are_read_as_compose_reads_them(tmp_path, line, value):
    if value is None:
        with pytest.raises(StackError, match=r"line 2: the value of MODEL_NAME (must|has)"):
            read_settings(env(tmp_path, f"# a comment\n{line}\n"))
    else:
        assert read_settings(env(tmp_path, f"# a comment\n\n{line}\n"))["MODEL_NAME"] == value


@pytest.mark.parametrize(
    "line", ["MODEL_NAME = x", "export MODEL_NAME=x", " MODEL_NAME=x", "MODEL"]
)
def test_what_is_no_setting_is_said_with_its_line(tmp_path, line):
    with pytest.raises(StackError, match=r"x\.env, line 2: .* isn't NAME=value"):
        read_settings(env(tmp_path, f"AIRFLOW_PORT=1\n{line}\n"))


def test_a_directory_that_isnt_absolute_is_refused(tmp_path, capsys):
    path = env(tmp_path, EXAMPLE.read_text().replace("=/srv/imprimatur/data", "=var/data"))
    assert main(["--env-file", str(path), "up", "--no-build"]) == 1
    assert "IMPRIMATUR_DATA is 'var/data'; a directory must be absolute" in capsys.readouterr().err


def test_an_env_file_may_be_named_from_where_one_is(tmp_path, monkeypatch):
    env(tmp_path, "COMPOSE_PROJECT_NAME=x\n")
    monkeypatch.chdir(tmp_path)
    assert read_settings(Path("x.env")).env_file == tmp_path / "x.env"


def test_an_empty_secret_is_named_and_not_taken(tmp_path):
    make_secrets(tmp_path, UID)
    (tmp_path / "redis_password").write_text("")
    with pytest.raises(StackError, match=r"redis_password is empty; .*remove it for a new one"):
        make_secrets(tmp_path, UID)
    (tmp_path / "redis_password").unlink()
    for name in ("broker_url", "result_backend"):
        with pytest.raises(StackError, match=f"{name} has another password than redis_password"):
            make_secrets(tmp_path, UID)
        (tmp_path / name).unlink()
    make_secrets(tmp_path, UID)
    password = (tmp_path / "redis_password").read_text()
    assert (tmp_path / "broker_url").read_text() == f"redis://:{password}@redis:6379/0"


def test_a_database_elsewhere_has_its_own_password(tmp_path):
    make_secrets(tmp_path, UID)
    url = "postgresql+psycopg2://airflow:theirs@database.example/airflow"
    (tmp_path / "sql_alchemy_conn").write_text(url)
    make_secrets(tmp_path, UID)
    assert (tmp_path / "sql_alchemy_conn").read_text() == url


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("AIRFLOW_UID", "1000x", "AIRFLOW_UID is '1000x'; expected a number"),
        ("IMPRIMATUR_DATA", "{}/file/data", "Make it, or name another place in"),
    ],
)
def test_what_this_user_cant_make_is_an_error_and_no_traceback(tmp_path, capsys, name, value, said):
    (tmp_path / "file").touch()
    write_env_file(tmp_path / "x.env", tmp_path / "state", {name: value.format(tmp_path)})
    assert main(["--env-file", str(tmp_path / "x.env"), "up", "--no-build"]) == 1
    assert said in capsys.readouterr().err


def test_a_secret_is_there_whole_or_not_at_all(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        make_secrets(tmp_path, UID)
    monkeypatch.undo()
    assert [path for path in tmp_path.iterdir() if not path.name.startswith(".")] == []
    make_secrets(tmp_path, UID)
    assert len(list(tmp_path.iterdir())) == 9
    assert all(path.read_text() for path in tmp_path.iterdir())


def test_what_a_container_did_before_this_start_says_nothing_of_it():
    assert FAILED.is_lost()
    assert not FAILED.is_lost(before=FAILED)
    assert dataclasses.replace(FAILED, started_at="2026-01-02T00:00:00Z").is_lost(before=FAILED)
    restless = dataclasses.replace(WORKER, num_restarts=MAX_RESTARTS + 1)
    assert restless.is_lost(before=WORKER)
    assert not restless.is_lost(before=restless)


def test_only_what_has_work_to_finish_is_ready_when_it_has_ended():
    ended = {"status": "exited", "exit_code": 0}
    assert dataclasses.replace(FAILED, **ended).is_ready
    assert not dataclasses.replace(WORKER, **ended).is_ready


def test_what_is_served_is_set_aside_whole(tmp_path):
    serving = tmp_path / "serving" / "flight_delays"
    for name in ("20130201000000", "20130301000000", ".imprimatur"):
        (serving / name).mkdir(parents=True)
        (serving / name / "file").write_text(name)
    assert [path.name for path in published_in(serving)] == ["20130201000000", "20130301000000"]
    set_aside(serving, tmp_path / "earlier")
    assert serving.is_dir()
    assert not list(serving.iterdir())
    (kept,) = (tmp_path / "earlier").iterdir()
    assert {path.parent.name: path.read_text() for path in kept.glob("*/file")} == {
        name: name for name in ("20130201000000", "20130301000000", ".imprimatur")
    }
    set_aside(serving, tmp_path / "earlier")
    assert len(list((tmp_path / "earlier").iterdir())) == 1


def test_what_cant_be_set_aside_is_said(tmp_path):
    serving = tmp_path / "serving" / "flight_delays"
    (serving / "20130201000000").mkdir(parents=True)
    (tmp_path / "earlier").write_text("a file")
    with pytest.raises(StackError, match="can't be moved to"):
        set_aside(serving, tmp_path / "earlier")
    assert published_in(serving)


def test_an_image_that_cant_be_had_is_named(tmp_path, monkeypatch):
    program = tmp_path / "docker"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("REDIS_IMAGE", "registry.invalid/redis:1")
    compose = Compose(read_settings(EXAMPLE))
    with pytest.raises(StackError, match=r"POSTGRES_IMAGE is postgres:.* can't be pulled"):
        compose.pull("small")
    program.write_text('#!/bin/sh\ncase "$*" in *redis*) exit 1;; esac\n')
    compose.pull("small")
    with pytest.raises(StackError, match=r"REDIS_IMAGE is registry\.invalid/redis:1"):
        compose.pull("full")
