"""Several processes ask one oracle whose state is on disk; each may be killed at any moment.

What it answers is compared with what KerasTuner's own oracle answers to one process.
"""

import json
import logging
import math
from collections import Counter
from types import SimpleNamespace

import pytest

from components.errors import ConfigurationError, TrainingError
from components.tuner.search_state import WorkerSpec, ongoing_run, write_search

pytestmark = pytest.mark.filterwarnings(
    r"ignore:currentThread\(\)|getName\(\) is deprecated:DeprecationWarning",
    "ignore:All-NaN:RuntimeWarning",
)
TWO = ("worker-0", "worker-1")


def random_search(max_trials=6, **arguments):
    from keras_tuner import HyperParameters
    from keras_tuner.oracles import RandomSearchOracle

    space = HyperParameters()
    space.Float("rate", 1e-4, 1e-1, sampling="log")
    return RandomSearchOracle(
        _objective(), max_trials=max_trials, seed=7, hyperparameters=space, **arguments
    )


def hyperband():
    from keras_tuner import HyperParameters
    from keras_tuner.oracles import HyperbandOracle

    space = HyperParameters()
    space.Float("rate", 1e-4, 1e-1, sampling="log")
    return HyperbandOracle(_objective(), max_epochs=4, factor=2, seed=7, hyperparameters=space)


def _objective():
    from keras_tuner import Objective

    return Objective("auc", "max")


def score(trial):
    """Each rate has a score of its own; the best is 0.01."""
    return -abs(math.log10(trial.hyperparameters.values["rate"]) + 2)


@pytest.fixture
def worker(tmp_path):
    """Make a worker with an oracle of its own, as a process has."""
    from components.tuner.shared_oracle import SharedOracle

    def worker(name="worker-0", workers=TWO, make=random_search, max_trials=None, died=""):
        oracle = make()
        oracle._set_project_dir(str(tmp_path), "project")
        oracle.verbose = 0
        spec = WorkerSpec(name, workers, max_trials=max_trials, died=died)
        watch = SimpleNamespace(begin=lambda trial: None, reasons={})
        shared = SharedOracle(oracle, tmp_path, spec, watch)
        shared.recover()
        return SimpleNamespace(oracle=shared, name=name, reasons=watch.reasons)

    return worker


def ask(worker):
    return worker.oracle.create_trial(worker.name)


def finish(worker, trial, value=None):
    value = score(trial) if value is None else value
    worker.oracle.update_trial(trial.trial_id, {"auc": value})
    trial.status = "COMPLETED"
    worker.oracle.end_trial(trial)


def fail(worker, trial, reason="ValueError: bad"):
    worker.reasons[trial.trial_id] = reason
    trial.status = "INVALID"
    worker.oracle.end_trial(trial)


def run_alone(oracle, tuner_id="alone"):
    """Run KerasTuner's own search loop; return the values of its trials in order."""
    seen = []
    while (trial := oracle.create_trial(tuner_id)).status != "STOPPED":
        oracle.update_trial(trial.trial_id, {"auc": score(trial)})
        trial.status = "COMPLETED"
        oracle.end_trial(trial)
        seen.append(dict(trial.hyperparameters.values))
    return seen


@pytest.fixture(autouse=True)
def progress_log():
    """Other tests read what is logged of a training's progress."""
    logger = logging.getLogger("components.trainer.progress")
    before = list(logger.filters)
    yield
    logger.filters[:] = before


@pytest.mark.parametrize("make", [random_search, hyperband])
def test_gives_one_worker_what_the_oracle_itself_would(worker, make, tmp_path):
    own = make()
    own._set_project_dir(str(tmp_path / "other"), "project")
    own.verbose = 0
    assert run_alone(worker(workers=("worker-0",), make=make).oracle, "worker-0") == run_alone(own)


def test_goes_on_in_another_process_as_if_nothing_had_happened(worker, tmp_path):
    own = random_search()
    own._set_project_dir(str(tmp_path / "other"), "project")
    own.verbose = 0
    seen = []
    for _ in range(6):
        one = worker()  # a process for each trial
        trial = ask(one)
        finish(one, trial)
        seen.append(dict(trial.hyperparameters.values))
    assert ask(worker()).status == "STOPPED"
    assert seen == run_alone(own)


def test_gives_no_trial_twice(worker):
    both = [worker(name) for name in TWO]
    seen = []
    while trials := [(one, ask(one)) for one in both]:
        running = [(one, trial) for one, trial in trials if trial.status == "RUNNING"]
        if not running:
            break
        for one, trial in running:
            seen.append((trial.trial_id, trial.hyperparameters.values["rate"]))
            finish(one, trial)
    assert len(seen) == len({number for number, _ in seen}) == len({rate for _, rate in seen}) == 6
    best = both[0].oracle.get_best_trials()[0]
    assert best.score == max(-abs(math.log10(rate) + 2) for _, rate in seen)


def test_halves_successively_with_two_workers(worker, monkeypatch):
    monkeypatch.setattr("components.tuner.shared_oracle._IDLE_SECONDS", 0.0)
    both = [worker(name, make=hyperband) for name in TWO]
    running, epochs = {}, []
    for turn in range(200):
        one = both[turn % 2]
        if one.name in running:
            finish(one, running.pop(one.name))
        trial = ask(one)
        if trial.status == "RUNNING":
            running[one.name] = trial
            epochs.append(trial.hyperparameters.values["tuner/epochs"])
        elif trial.status == "STOPPED" and not running:
            break
    # brackets of 4, 2, 1; 3, 2; 3 trials, with 1, 2, 4; 2, 4; 4 epochs: the formula of KerasTuner
    assert Counter(epochs) == {1: 4, 2: 2 + 3, 4: 1 + 2 + 3}


def test_stops_at_the_budget(worker):
    one = worker(max_trials=2)
    for _ in range(2):
        finish(one, ask(one))
    assert ask(one).status == "STOPPED"


def test_a_worker_that_died_costs_its_trial_alone(worker, caplog):
    first, second = worker("worker-0"), worker("worker-1")
    lost, kept = ask(first), ask(second)
    again = worker("worker-0", died="the process was ended by SIGKILL")
    assert again.oracle.get_trial(lost.trial_id).status == "FAILED"
    assert again.oracle.get_trial(lost.trial_id).message == "the process was ended by SIGKILL"
    assert f"trial {lost.trial_id} failed: the process was ended by SIGKILL" in caplog.text
    assert ask(again).trial_id not in (lost.trial_id, kept.trial_id)
    finish(second, kept)
    assert second.oracle.get_trial(kept.trial_id).score == score(kept)


def test_repeats_what_was_interrupted_and_nothing_else(worker):
    first, second = worker("worker-0"), worker("worker-1")
    done = ask(first)
    finish(first, done)
    interrupted = [ask(first), ask(second)]
    alone = worker("worker-0", workers=("worker-0",))  # fewer than before
    repeated = []
    for _ in interrupted:
        repeated.append(ask(alone))
        finish(alone, repeated[-1])
    rates = {trial.trial_id: trial.hyperparameters.values["rate"] for trial in repeated}
    assert rates == {trial.trial_id: trial.hyperparameters.values["rate"] for trial in interrupted}
    assert ask(alone).trial_id == "3"


def test_leaves_alone_what_another_worker_is_doing(worker):
    ongoing = ask(worker("worker-1"))
    assert ask(worker("worker-0")).trial_id != ongoing.trial_id


def test_recovers_from_a_kill_between_two_files(worker, tmp_path):
    one = worker()
    started, finished = ask(one), None
    state = json.loads((tmp_path / "project" / "oracle.json").read_text())
    finish(one, started)
    finished, one = started, worker()
    started = ask(one)
    # trial.json of both was written, oracle.json not yet
    state |= {"ongoing_trials": {}, "start_order": []}
    (tmp_path / "project" / "oracle.json").write_text(json.dumps(state))
    again = worker()
    assert again.oracle.end_order == [finished.trial_id]
    assert ask(again).trial_id == started.trial_id


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_is_no_score(worker, value):
    one = worker()
    bad, good = ask(one), None
    finish(one, bad, value)
    good = ask(one)
    finish(one, good)
    assert one.oracle.get_trial(bad.trial_id).status == "FAILED"
    assert one.oracle.get_trial(bad.trial_id).message == f"auc is {value}"
    assert one.oracle.get_best_trials()[0].trial_id == good.trial_id


def test_ends_after_three_failures_in_a_row(worker):
    from components.tuner.trial_watch import SearchEndedError

    one = worker()
    fail(one, ask(one))
    finish(one, ask(one))
    for _ in range(2):
        fail(one, ask(one))
    with pytest.raises(SearchEndedError, match=r"3 trials in a row .* 4 with \{'rate'.*: bad") as e:
        fail(one, ask(one))
    assert isinstance(e.value.reason, TrainingError)


def test_a_trial_may_be_tried_again(worker):
    one = worker(make=lambda: random_search(max_retries_per_trial=1))
    trial = ask(one)
    fail(one, trial)
    assert ask(one).trial_id == trial.trial_id


def test_knows_who_is_in_the_middle_of_a_trial(worker, tmp_path):
    from components.tuner.search_state import Search

    assert ongoing_run(tmp_path, "worker-0") is None
    write_search(tmp_path, Search(str(tmp_path / "project"), "auc", "max", [], None))
    one = worker(make=lambda: random_search(max_retries_per_trial=1))
    trial = ask(one)
    assert ongoing_run(tmp_path, "worker-0") == (trial.trial_id, 0)
    assert ongoing_run(tmp_path, "worker-1") is None
    fail(one, trial)
    assert ongoing_run(tmp_path, "worker-0") is None
    assert ask(one).trial_id == trial.trial_id
    assert ongoing_run(tmp_path, "worker-0") == (trial.trial_id, 1)


@pytest.mark.parametrize("error", [ConfigurationError("endless"), None])
def test_a_trial_that_can_never_work_ends_the_search(error):
    from components.tuner.trial_watch import SearchEndedError, TrialWatch

    def run_trial(trial):
        if error is not None:
            raise error
        return [SimpleNamespace(history={"loss": [1.0], "auc": [0.5]})]

    objective = SimpleNamespace(name="val_auc")
    tuner = SimpleNamespace(run_trial=run_trial, oracle=SimpleNamespace(objective=objective))
    TrialWatch(tuner, seed=0)
    expected = "endless" if error else "objective is val_auc, but a training reports auc, loss"
    with pytest.raises(SearchEndedError, match=expected) as caught:
        tuner.run_trial(SimpleNamespace(trial_id="0"))
    assert isinstance(caught.value.reason, ConfigurationError)


def test_says_in_one_line_why_a_trial_failed():
    from components.tuner.trial_watch import TrialWatch

    def run_trial(trial):
        raise ValueError("shapes differ\n  (3,) and (4,)")

    tuner = SimpleNamespace(run_trial=run_trial, oracle=SimpleNamespace(objective=_objective()))
    watch = TrialWatch(tuner, seed=0)
    with pytest.raises(ValueError, match="shapes differ"):
        tuner.run_trial(SimpleNamespace(trial_id="0"))
    assert watch.reasons == {"0": "ValueError: shapes differ"}
