"""Which deaths of a worker cost a trial, and which the search; no process is started."""

import json

import pytest

from components.errors import ConfigurationError, TrainingDiedError
from components.trainer.child_spec import ChildResult, ChildSpec
from components.trainer.process_settings import ProcessSettings
from components.tuner import worker_pool
from components.tuner.search_state import Search, write_search
from components.tuner.tune_args import TuneArgs
from components.tuner.worker_pool import run_workers

SPEC = ChildSpec("taxi.py", {})
ONE_AFTER_THE_OTHER = TuneArgs()


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run workers, each by a function instead of a process."""
    write_search(tmp_path, Search(str(tmp_path), "auc", "max", [], None))

    def run(child, tune_args=ONE_AFTER_THE_OTHER, **arguments):
        monkeypatch.setattr(worker_pool, "run_child", child)
        return run_workers(SPEC, ProcessSettings(), tune_args, tmp_path, **arguments)

    return run


@pytest.fixture
def write_state(tmp_path):
    def write(run_times, **ongoing):
        state = {"ongoing_trials": ongoing, "run_times": run_times}
        (tmp_path / "oracle.json").write_text(json.dumps(state))

    return write


def test_a_death_within_a_trial_starts_another_process(run, write_state):
    told = []

    def child(spec, settings, stopped):
        told.append(spec.search["died"])
        if len(told) > 2:
            return ChildResult(module_digest="done")
        write_state({}, **{"worker-0": str(len(told))})
        raise TrainingDiedError(f"death {len(told)}")

    assert run(child) == [ChildResult(module_digest="done")]
    assert told == ["", "death 1", "death 2"]


@pytest.mark.parametrize("ongoing", [{}, {"worker-0": "0"}])
def test_a_death_before_a_trial_ends_the_search(run, write_state, ongoing):
    """The second time the state is as it was: the process never came to its first question."""
    started = []

    def child(spec, settings, stopped):
        started.append(spec)
        write_state({}, **ongoing)
        raise TrainingDiedError("no memory")

    with pytest.raises(TrainingDiedError, match="no memory"):
        run(child)
    assert len(started) == 1 + len(ongoing)


def test_an_error_of_one_worker_ends_the_others(run):
    def child(spec, settings, stopped):
        if spec.search["name"] == "worker-1":
            raise ConfigurationError("endless")
        assert stopped.wait(20)
        raise TrainingDiedError("stopped")

    with pytest.raises(ConfigurationError, match="endless"):
        run(child, TuneArgs(num_parallel_trials=3))


def test_a_kill_while_the_time_is_written_leaves_the_time_before(run, tmp_path):
    """The file is replaced and never emptied: an empty one would end every later try."""
    (tmp_path / "elapsed_seconds").write_text("12.0")
    (tmp_path / "before").hardlink_to(tmp_path / "elapsed_seconds")

    moments = iter(range(0, 1000, 5))
    run(lambda spec, settings, stopped: ChildResult(), clock=lambda: float(next(moments)))
    assert float((tmp_path / "elapsed_seconds").read_text()) >= 17.0
    assert (tmp_path / "before").read_text() == "12.0"


def test_time_that_is_over_ends_all_and_counts_on_in_the_next_try(run, tmp_path):
    def child(spec, settings, stopped):
        assert stopped.wait(20)
        raise TrainingDiedError("stopped")

    moments = iter([0.0, 40.0, 70.0])
    assert run(child, TuneArgs(max_seconds=60.0), clock=lambda: next(moments)) == []
    assert float((tmp_path / "elapsed_seconds").read_text()) == 70.0
    moments = iter([1000.0, 1000.0])
    assert run(child, TuneArgs(max_seconds=60.0), clock=lambda: next(moments)) == []
