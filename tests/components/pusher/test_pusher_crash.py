"""A pusher killed at any step: what is visible is whole at any moment, and a retry ends well."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NURSERY = Path(__file__).with_name("crash_nursery.py")
ROOT = Path(__file__).parents[3]


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.skipif(sys.platform != "linux", reason="forks, kills and watches as on Linux")
@pytest.mark.parametrize(
    ("scenario", "min_steps"),
    [
        slow("first push", 25),
        slow("push", 20),
        ("push and retention", 35),
        ("rollback over a damaged version", 35),
        slow("third withdrawal", 30),
        slow("release and push again", 30),
        slow("hold, pin, resume", 10),
    ],
)
def test_killed_at_every_step_and_tried_again(fast_disk, scenario, min_steps):
    done = subprocess.run(
        [sys.executable, str(NURSERY), str(fast_disk), scenario],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert report["problems"] == []
    assert report["steps"] >= min_steps
    assert report["looks"] >= report["steps"]
