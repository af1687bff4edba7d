"""The command line of `example_gen`: what operators and people type."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from components import command_line
from components.example_gen import __main__

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


def test_an_empty_window_is_exit_code_3_and_a_refusal(flights, tmp_path):
    out = tmp_path / "out"
    window = ["--time-column", "when", "--window", "2015-01-01/2015-02-01"]
    done = run("--source", flights, *window, "--output-dir", out)
    assert done.returncode == 3
    refusal = json.loads(done.stdout.splitlines()[-1])
    assert refusal["findings"][0]["check"] == "empty_window"
    assert json.loads((out / "record.json").read_text()) == refusal
    assert [file.name for file in out.iterdir()] == ["record.json"]


def call(*arguments):
    """Run it in this process: what is wrong with arguments is seen before anything is loaded."""
    return command_line.run(__main__._build_parser(), __main__._execute, list(map(str, arguments)))


def test_features_may_be_repeated_and_joined_by_commas(flights, tmp_path, caplog):
    flags = ["--features", "day", "--features", "hour,nope"]
    assert call("--source", flights, *flags, "--output-dir", tmp_path / "out") == 2
    assert "the feature 'nope' isn't in" in caplog.text
    with pytest.raises(SystemExit):
        call("--source", flights, "--features")
    flags[-1] = "hour"
    assert call("--source", flights, *flags, "--output-dir", tmp_path / "out") == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--ends-by", "2013-02-01"], "without it leave it out"),
        (["--newest-interval", "@monthly"], "name it with --time-column"),
        (["--newest-interval", "monthly"], "'monthly' isn't a cron expression"),
        (
            ["--newest-interval", "@monthly", "--time-column", "when", "--ends-by", "soon"],
            "ends_by is 'soon'; expected an ISO 8601 time",
        ),
        (["--num-workers", "0"], "num_workers is 0"),
        (["--splits", '{"train": -1}'], "'train' has the weight -1"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_writes_nothing(flights, tmp_path, caplog, flags, message):
    assert call("--source", flights, *flags, "--output-dir", tmp_path / "out") == 2
    assert message in caplog.text
    assert [file.name for file in tmp_path.iterdir()] == ["flights.parquet"]


@pytest.mark.parametrize(
    "flags", [["--window", "2013-02-01/2013-01-01"], ["--splits", "{"], ["--run", "[]"]]
)
def test_arguments_that_cannot_be_read_are_exit_code_2(flights, tmp_path, flags, capsys):
    with pytest.raises(SystemExit, match="2"):
        call("--source", flights, *flags, "--output-dir", tmp_path / "out")
    assert f"argument {flags[0]}: " in capsys.readouterr().err
