"""Settings that can't be are refused before anything is started; paths are translated."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from components.errors import ConfigurationError
from components.model_server import DockerSettings
from components.model_server.docker_sandbox import engine_path

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"image": ""}, "image is ''; expected for instance 'tensorflow/serving'"),
        ({"image": " a"}, "image is ' a'"),
        ({"pull": "often"}, "pull is 'often'; expected one of missing, never, always"),
        ({"memory_bytes": 1 << 20}, "memory_bytes is 1048576; expected 6291456 or more"),
        ({"cpus": 0.0}, "cpus is 0.0; expected more than 0"),
        ({"cpus": float("nan")}, "cpus is nan; expected more than 0"),
        ({"pids_limit": -1}, "pids_limit is -1; expected more than 0"),
        ({"max_seconds": 0}, "max_seconds is 0; expected more than 0"),
        ({"client_timeout_seconds": 0}, "client_timeout_seconds is 0; expected more than 0"),
        ({"client_base_url": "engine:2375"}, "client_base_url is 'engine:2375'; expected for"),
        ({"client_api_version": "new"}, "client_api_version is 'new'; expected for instance"),
        ({"host_path_map": (("here", "/there"),)}, "host_path_map has ('here', '/there')"),
        ({"network": "host"}, "network is 'host'; expected one that isolates"),
        ({"network": "container:x"}, "network is 'container:x'; expected one that isolates"),
        ({"network": "n", "host_name": "h"}, "network is 'n' and host_name is 'h'; give one"),
    ],
)
def test_a_value_that_cant_be_is_refused(wrong, message):
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        DockerSettings(**wrong)


def test_the_longest_fitting_path_counts(tmp_path):
    here, inner = str(tmp_path), str(tmp_path / "inner")
    path_map = ((here, "/outer"), (inner, "/other/disk"))
    assert engine_path(tmp_path / "inner" / "m", path_map) == "/other/disk/m"
    assert engine_path(tmp_path / "innermost" / "m", path_map) == "/outer/innermost/m"
    assert engine_path(tmp_path, ((here, "/"),)) == "/"
    assert engine_path(tmp_path / "m", ()) == str(tmp_path / "m")


def test_a_path_that_no_entry_holds_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match=r"host_path_map has only /artifacts; add"):
        engine_path(tmp_path, (("/artifacts", "/data"),))


def test_links_are_followed_before_paths_are_translated(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert engine_path(tmp_path / "link", ((str(tmp_path / "real"), "/there"),)) == "/there"


def test_importing_the_package_needs_no_docker():
    code = "import components.model_server as m, sys; sys.exit('docker' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
