"""Many writers at once: nothing is lost, nothing hangs, and data time never goes back."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NURSERY = Path(__file__).with_name("crowd_nursery.py")
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("processes", "models"), [(6, 30), pytest.param(32, 200, marks=pytest.mark.slow)]
)
def test_a_crowd_of_pushers(fast_disk, processes, models):
    report = run(fast_disk, processes, models)

    pushes = [result for result in report["results"] if "day" in result]
    pushed = [push for push in pushes if push["type"] == "PushedModel"]
    refused = [push for push in pushes if push["type"] == "Refusal"]
    rolled_back = [r["rolled_back"] for r in report["results"] if "rolled_back" in r]
    records = {record["version"]: record for record in report["records"]}

    assert report["exit_codes"] == [0] * processes
    assert len(pushes) == models
    assert {"pushed"} == {push["outcome"] for push in pushed}
    assert {"older_than_live"} >= {push["findings"][0]["check"] for push in refused}
    assert len(rolled_back) > 0

    # No update is lost: one record for each that was told "pushed", with its bytes; no other.
    assert sorted(push["version"] for push in pushed) == sorted(records)
    for push in pushed:
        assert records[push["version"]]["digest"] == push["digest"]
        assert records[push["version"]]["window"] == push["window"]
    assert sorted(report["quarantine"]) == sorted(rolled_back)
    withdrawn = {version for version, record in records.items() if record["withdrawal"]}
    assert withdrawn == set(rolled_back)

    # Data time never goes back: no version has seen less than the one it took the place of.
    for record in records.values():
        before = record["previous_version"]
        if before is not None:
            assert record["window"]["end"] >= records[before]["window"]["end"]
    in_service = [version for version in map(str, sorted(map(int, records)))
                  if version not in withdrawn]  # fmt: skip
    ends = [records[version]["window"]["end"] for version in in_service]
    assert ends == sorted(ends)
    assert report["live"] == in_service[-1]

    # Retention kept four, the withdrawn two, and nothing lies about.
    numbered = [name for name in report["names"] if name.isdecimal()]
    assert numbered == in_service[-len(numbered) :]
    assert len(numbered) <= 4
    assert len([name for name in report["names"] if name.endswith(".withdrawn")]) <= 2
    state = fast_disk / "serving" / ".imprimatur"
    assert {path.name for path in state.iterdir()} == {"lock", "versions", "quarantine.json"}


def run(directory: Path, processes: int, models: int) -> dict:
    done = subprocess.run(
        [sys.executable, str(NURSERY), str(directory), str(processes), str(models)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)
