"""A model's directory appears whole or not at all, and what a killed process left is removed."""

import subprocess
import sys
from pathlib import Path

import pytest

from components.errors import ConfigurationError
from components.saved_model import staging

KILLED = """
import os, pathlib, signal, sys
from components.saved_model.staging import replaced_model
with replaced_model(pathlib.Path(sys.argv[1])) as staging:
    (staging / "half").write_text("")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write(target, error=None):
    with staging.replaced_model(target) as directory:
        (directory / "saved_model.pb").write_text("")
        if error is not None:
            raise error


def test_replaces_a_model_whole(tmp_path):
    write(tmp_path / "model")
    (tmp_path / "model" / "old").write_text("")
    write(tmp_path / "model")
    assert names(tmp_path) == ["model"]
    assert names(tmp_path / "model") == ["saved_model.pb"]


def test_keeps_what_was_there_if_the_block_raises(tmp_path):
    write(tmp_path / "model")
    (tmp_path / "model" / "old").write_text("")
    with pytest.raises(OSError, match="full"):
        write(tmp_path / "model", OSError("the disk is full"))
    assert names(tmp_path) == ["model"]
    assert names(tmp_path / "model") == ["old", "saved_model.pb"]


def test_does_not_replace_what_is_no_model(tmp_path):
    (tmp_path / "notes").write_text("")
    with pytest.raises(ConfigurationError, match="exists and isn't a model"):
        write(tmp_path)


def test_removes_what_a_killed_process_left_and_nothing_else(tmp_path):
    root = Path(staging.__file__).parents[2]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "other")], cwd=root, check=False
    )
    assert killed.returncode == -9
    (left,) = names(tmp_path)
    with staging.replaced_model(tmp_path / "first") as first:
        assert names(tmp_path) == [first.name]
        write(tmp_path / "second")
        assert names(tmp_path) == [first.name, "second"]
        assert left != first.name


def test_keeps_what_was_there_if_it_can_not_be_renamed(tmp_path, monkeypatch):
    write(tmp_path / "model")
    (tmp_path / "model" / "old").write_text("")
    rename = Path.rename

    def fail_for_a_new_one(path, target):
        if path.suffix == ".partial":
            raise OSError("the disk is full")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail_for_a_new_one)
    with pytest.raises(OSError, match="full"):
        write(tmp_path / "model")
    assert names(tmp_path) == ["model"]
    assert names(tmp_path / "model") == ["old", "saved_model.pb"]


@pytest.mark.parametrize("has_arrived", [False, True])
def test_a_model_outlives_a_kill_while_it_was_replaced(tmp_path, has_arrived):
    write(tmp_path / "model")
    (tmp_path / "model" / "old").write_text("")
    (tmp_path / "model").rename(tmp_path / ".model.0123456789ab.old")
    if has_arrived:
        write_by_hand = tmp_path / "model" / "saved_model.pb"
        write_by_hand.parent.mkdir()
        write_by_hand.write_text("")
    with pytest.raises(OSError, match="full"):
        write(tmp_path / "model", OSError("the disk is full"))
    assert names(tmp_path) == ["model"]
    assert names(tmp_path / "model") == [*([] if has_arrived else ["old"]), "saved_model.pb"]


def test_replaces_what_a_link_leads_to(tmp_path):
    write(tmp_path / "model")
    (tmp_path / "model" / "old").write_text("")
    (tmp_path / "link").symlink_to("model")
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert names(tmp_path / "model") == ["saved_model.pb"]
