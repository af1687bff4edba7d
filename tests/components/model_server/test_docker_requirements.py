"""The image's versions are those that everything else is tested with."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
IMAGE = ROOT / "docker" / "model_server"


def pins(path):
    return dict(re.findall(r"^([\w.-]+)==([^\s;]+)", path.read_text(), re.MULTILINE))


def test_versions_are_the_locks():
    lock, image = pins(ROOT / "requirements.txt"), pins(IMAGE / "requirements.txt")
    asked_for = re.findall(r"^[\w-]+$", (IMAGE / "requirements.in").read_text(), re.MULTILINE)
    assert set(asked_for) <= image.keys()
    assert {name: lock.get(name) for name in image} == image
