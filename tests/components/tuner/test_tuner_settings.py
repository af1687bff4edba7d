"""What a search may cost, and what is told of it: no process is started."""

import json
from pathlib import Path

import pytest

from components.errors import ConfigurationError, TrainingError
from components.tuner import __main__ as command
from components.tuner import results, tune, tuning
from components.tuner.search_state import TRIAL_FILE, Search
from components.tuner.tune_args import TuneArgs, read_tune_args


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, TuneArgs(1, None, None)),
        ({"num_parallel_trials": "3", "max_trials": None}, TuneArgs(3, None, None)),
        ({"max_trials": 5, "max_seconds": "60"}, TuneArgs(1, 5, 60.0)),
    ],
)
def test_reads_a_budget(given, expected):
    assert read_tune_args(given) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_trials": 0}, r"max_trials is 0; expected a whole number above 0"),
        ({"max_trials": True}, r"max_trials is True"),
        ({"num_parallel_trials": 1.5}, r"num_parallel_trials is 1\.5"),
        ({"max_seconds": 0}, r"max_seconds is 0; expected seconds above 0"),
        ({"max_seconds": float("nan")}, r"max_seconds is nan"),
        ({"max_seconds": "soon"}, r"max_seconds is 'soon'"),
        ({"trials": 3}, r"has 'trials'; expected only num_parallel_trials, max_trials"),
        ([3], r"tune_args is \[3\]; expected a JSON object"),
    ],
)
def test_refuses_a_budget_of_nothing(given, message):
    with pytest.raises(ConfigurationError, match=message):
        read_tune_args(given)


def make_trial(project, number, *, score=None, status="COMPLETED", message=None, **values):
    """Write what KerasTuner 1.4 writes of a trial; its metric was worse at step 1 than at 0."""
    directory = project / f"trial_{number}"
    directory.mkdir(parents=True)
    observed = [] if score is None else [{"value": [score], "step": 0}, {"value": [9.0], "step": 1}]
    state = {
        "trial_id": str(number),
        "hyperparameters": {"space": [], "values": {**values, "tuner/epochs": 2}},
        "metrics": {"metrics": {"loss": {"direction": "min", "observations": observed}}},
        "score": score,
        "best_step": 0,
        "status": status,
        "message": message,
    }
    (directory / "trial.json").write_text(json.dumps(state))
    (directory / "took.json").write_text('{"seconds": 1.5}')


@pytest.fixture
def search(tmp_path):
    return Search(
        project=str(tmp_path / "project"),
        objective="loss",
        direction="min",
        space=[{"class_name": "Float", "config": {"name": "rate", "sampling": "log"}}],
        max_trials=None,
    )


@pytest.fixture
def trials(tmp_path):
    project = tmp_path / "project"
    make_trial(project, 0, score=0.5, rate=0.1, kind="a")
    make_trial(project, 1, status="FAILED", message="ValueError: bad", rate=0.2, kind="b")
    make_trial(project, 2, score=0.25, rate=0.01, kind="b")
    make_trial(project, 3, status="RUNNING", rate=0.3, kind="b")
    make_trial(project, 4, score=0.25, rate=0.02, deep=True)
    return results.read_trials(project)


def test_ranks_trials_by_the_objective(trials):
    assert [trial.trial for trial in results.ranked(trials, "min")] == ["2", "4", "0"]
    assert [trial.trial for trial in results.ranked(trials, "max")] == ["0", "2", "4"]


def test_writes_what_came_out(trials, search, tmp_path):
    results.write(tmp_path, trials, search, {"seed": 3})

    facts = json.loads((tmp_path / "trials.json").read_text())
    assert (facts["best"], facts["seed"]) == ("2", 3)
    assert facts["trials"][0] == {
        "trial": "0",
        "status": "completed",
        "values": {"rate": 0.1, "kind": "a"},
        "score": 0.5,
        "metrics": {"loss": 0.5},
        "seconds": 1.5,
        "reason": None,
    }
    assert [trial["status"] for trial in facts["trials"][1::2]] == ["failed", "unfinished"]
    best = json.loads((tmp_path / "best_hyperparameters.txt").read_text())
    assert best["values"] == {"rate": 0.01, "kind": "b", "tuner/epochs": 2}


def test_shows_a_table_the_best_first(trials, search):
    lines = results.table(trials, search).splitlines()
    assert lines[0].split() == ["trial", "loss", "seconds", "rate", "kind", "deep", "outcome"]
    assert lines[2].split() == ["2", "0.25", "1.5", "0.01", "b", "–", "completed"]
    assert lines[5].split()[:3] == ["1", "–", "1.5"]
    assert lines[5].endswith("failed: ValueError: bad")
    assert lines[6].endswith("unfinished")


def test_draws_the_same_picture_each_time(trials, search, tmp_path):
    for name in ("one.svg", "other.svg"):
        results.draw(trials, search, tmp_path / name)
    picture = (tmp_path / "one.svg").read_bytes()
    assert picture == (tmp_path / "other.svg").read_bytes()
    assert b"<svg" in picture


def test_help_answers_without_tensorflow(capsys):
    with pytest.raises(SystemExit) as caught:
        command.main(["--help"])
    assert caught.value.code == 0
    assert "--tune-args" in capsys.readouterr().out


@pytest.mark.parametrize("below", ["out/tuning", "tuning"])
def test_a_search_below_its_modules_folder_goes_on_too(
    write_module, examples, monkeypatch, caplog, below
):
    """What it wrote itself doesn't make another recipe of the next try."""
    module = Path(write_module("def tuner_fn(fn_args): ..."))
    folders = []

    def die(spec, settings, tune_args, working_dir):
        folders.append(working_dir)
        trial = working_dir / "project" / f"trial_{len(folders)}" / TRIAL_FILE
        trial.parent.mkdir(parents=True)
        trial.write_text("{}")
        raise TrainingError("killed")

    monkeypatch.setattr(tuning, "run_workers", die)
    for _ in range(3):
        with pytest.raises(TrainingError, match="killed"):
            tune(module_file=module, examples=examples, output_dir=module.parent / below)
    assert len(set(folders)) == 1
    assert "don't count" not in caplog.text
    module.write_text("def tuner_fn(fn_args): return 1")
    with pytest.raises(TrainingError, match="killed"):
        tune(module_file=module, examples=examples, output_dir=module.parent / below)
    assert len(set(folders)) == 2
    assert f"the trials in {folders[0]} don't count" in caplog.text
