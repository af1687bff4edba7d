"""The command line of `example_gen`: what operators and people type."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def flights(tmp_path):
    path = tmp_path / "flights.parquet"
    times = pd.date_range("2013-01-01", "2013-03-02", freq="h", tz="UTC")
    frame = pd.DataFrame({"when": times, "day": times.day, "hour": times.hour})
    frame.to_parquet(path)
    return path


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "components.example_gen", *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_takes_what_the_operator_gives_it(flights, tmp_path):
    task = {"dag_id": "d", "run_id": "manual__2013-04-01T00:00:00+00:00", "task_id": "example_gen"}
    flags = ["--time-column", "when", "--newest-interval", "@monthly", "--timezone", "UTC"]
    out = tmp_path / "out"
    done = run("--source", flights, *flags, "--output-dir", out, "--run", json.dumps(task))
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout.splitlines()[-1])
    assert record["type"] == "Examples"
    assert record["window"] == {"start": "2013-02-01T00:00:00Z", "end": "2013-03-01T00:00:00Z"}
    assert json.loads((out / "record.json").read_text()) == record
