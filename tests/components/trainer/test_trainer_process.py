"""The process that trains has its limits, ends with all it started, and a retry goes on from it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from components import records
from components.errors import ConfigurationError, InvalidModelError, TrainingError
from components.records import Run
from components.trainer import __main__ as command
from components.trainer import run_folder, train
from components.trainer.process_settings import ProcessSettings, read_process_settings
from tests.components.trainer.test_trainer_training import is_running, wait_until

RUN = Run("taxi", "manual__1", "trainer")
LAUNCHER = """
    import os, pathlib, signal, subprocess, sys
    def run_fn(fn_args):
        child = subprocess.Popen(
            [sys.executable, "-c", "import signal; signal.pause()"],
            start_new_session=True,
            env={},
        )
        path = pathlib.Path(fn_args.custom_config["report"])
        path.with_suffix(".new").write_text(f"{os.getpid()} {child.pid}")
        path.with_suffix(".new").rename(path)
        if fn_args.custom_config["dies"]:
            os.kill(os.getpid(), signal.SIGKILL)
        while True:
            signal.pause()
"""


@pytest.fixture
def attempt(tmp_path, examples):
    """Train with a module; return what it left in its report."""
    report = tmp_path / "report"

    def attempt(module_file, **arguments):
        config = {"report": str(report), **arguments.pop("custom_config", {})}
        with pytest.raises(TrainingError) as caught:
            train(
                module_file=module_file,
                examples=examples,
                custom_config=config,
                **{"output_dir": tmp_path / "task" / "1-a", **arguments},
            )
        return report.read_text() if report.exists() else "", str(caught.value)

    return attempt


def test_ends_a_training_that_takes_too_much_memory(attempt, write_module):
    source = """
        def run_fn(fn_args):
            import signal, subprocess, sys
            code = "import signal; block = b'x' * (300 << 20); signal.pause()"
            subprocess.Popen([sys.executable, "-c", code])
            signal.pause()
    """
    limit = {"memory_limit_bytes": 250 << 20}
    _, message = attempt(write_module(source), process=limit)
    taken = int(message.split(" took ")[1].split(" bytes")[0].replace(",", ""))
    assert taken > 250 << 20
    assert "more than the 262,144,000 that process.memory_limit_bytes allows" in message


def test_leaves_no_process_behind(attempt, write_module):
    pids, message = attempt(write_module(LAUNCHER), custom_config={"dies": True})
    assert "SIGKILL" in message
    child, grandchild = map(int, pids.split())
    assert not is_running(child)
    wait_until(lambda: not is_running(grandchild), seconds=5)


@pytest.fixture
def started(write_module, examples, tmp_path):
    """A training's command in a process group of its own; the processes that it is made of."""
    report = tmp_path / "report"
    arguments = {
        "--module-file": write_module(LAUNCHER),
        "--examples": records.dump(examples),
        "--output-dir": tmp_path / "out",
        "--custom-config": json.dumps({"report": str(report), "dies": False}),
    }
    parent = subprocess.Popen(
        [
            *(sys.executable, "-m", "components.trainer"),
            *(str(part) for pair in arguments.items() for part in pair),
        ],
        cwd=Path(command.__file__).parents[2],
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
    try:
        wait_until(report.exists)
        pids = [int(pid) for pid in report.read_text().split()]
        yield parent, pids
    finally:
        parent.kill()
        parent.wait()
    wait_until(lambda: not any(map(is_running, pids)), seconds=5)
    assert not (tmp_path / "out").exists()


def test_ends_within_5_seconds_of_being_asked_to(started):
    parent, pids = started
    parent.send_signal(signal.SIGTERM)
    assert parent.wait(5) == 128 + signal.SIGTERM
    assert not any(map(is_running, pids))


@pytest.mark.parametrize("kill", [os.kill, os.killpg])
def test_nothing_outlives_a_trainer_that_was_killed(started, kill):
    parent, pids = started
    kill(parent.pid, signal.SIGKILL)
    wait_until(lambda: not any(map(is_running, pids)), seconds=5)


def test_sets_processors_gpus_level_and_environment(attempt, write_module, tmp_path):
    source = """
        import json, logging, os, random
        import lies_on_the_given_path
        def run_fn(fn_args):
            names = ("CUDA_VISIBLE_DEVICES", "MINE", "TF_CPP_MIN_LOG_LEVEL", "PYTHONHASHSEED")
            state = [os.environ.get(name) for name in names]
            seen = [*state, sorted(os.sched_getaffinity(0)), logging.getLogger().level]
            open(fn_args.custom_config["report"], "w").write(json.dumps([*seen, random.random()]))
            raise RuntimeError("reported")
    """
    first = min(os.sched_getaffinity(0))
    library = tmp_path / "library"
    library.mkdir()
    (library / "lies_on_the_given_path.py").write_text("")
    environment = {"MINE": "yes", "PYTHONPATH": str(library)}
    process = {"cpus": 1, "gpus": [], "log_level": "WARNING", "environment": environment}
    seen, _ = attempt(write_module(source), process=process, seed=5)
    assert json.loads(seen)[:6] == ["-1", "yes", "1", "5", [first], 30]
    again, _ = attempt(write_module(source), process=process, seed=5)
    other, _ = attempt(write_module(source), process=process, seed=6)
    assert seen == again != other


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"memory": 3}, "process has 'memory'; expected only log_level, environment"),
        ({"memory_limit_bytes": 1.5}, "process.memory_limit_bytes is 1.5; expected a whole number"),
        ({"cpus": 10_000}, r"process.cpus is 10000, but this process may run on \["),
        ({"cpus": []}, r"process.cpus is \[\]; expected how many processors"),
        ({"gpus": 1}, "process.gpus is 1; expected a list"),
        ({"log_level": "loud"}, "process.log_level is 'loud'; expected one of DEBUG"),
        ({"environment": {"A": 1}}, r"process.environment is \{'A': 1\}; expected an object"),
        ({"num_workers": 0}, "process.num_workers is 0; expected a whole number"),
        ([], r"process is \[\]; expected a JSON object"),
    ],
)
def test_refuses_wrong_settings_by_name(given, message):
    with pytest.raises(ConfigurationError, match=message):
        read_process_settings(given)


def test_settings_that_are_not_given_are_inherited():
    assert read_process_settings({"gpus": None}) == ProcessSettings()
    assert read_process_settings({"gpus": [0, "1"]}).variables() == {"CUDA_VISIBLE_DEVICES": "0,1"}


COUNTER = """
    import os, pathlib
    def run_fn(fn_args):
        path = pathlib.Path(fn_args.model_run_dir) / "checkpoint"
        tries = int(path.read_text()) + 1 if path.exists() else 1
        path.write_text(str(tries))
        pathlib.Path(fn_args.custom_config["report"]).write_text(str(tries))
        os.kill(os.getpid(), 9)
"""


def test_a_retry_of_the_same_task_finds_the_run_folder(attempt, write_module, tmp_path):
    module = write_module(COUNTER)
    task = tmp_path / "task"

    def tries(number, **changes):
        run = Run("taxi", changes.pop("run_id", "manual__1"), "trainer", try_number=number)
        return attempt(module, output_dir=task / f"{number}-x", run=run, **changes)[0]

    assert [tries(1), tries(2), tries(3)] == ["1", "2", "3"]
    assert tries(1, run_id="manual__2") == "1"
    assert tries(4, seed=1) == "1"
    assert tries(4, hyperparameters={"units": 1}) == "1"
    assert tries(4) == "4"
    module.write_text(module.read_text() + "\n# changed")
    assert tries(5) == "1"
    assert sorted(path.name for path in task.iterdir() if path.name[0] != ".") == []


def test_without_a_task_each_training_starts_afresh(attempt, write_module):
    module = write_module(COUNTER)
    assert [attempt(module)[0], attempt(module)[0]] == ["1", "1"]


def test_two_tries_at_once_do_not_share_a_run_folder(tmp_path):
    holder = (
        "import sys; from pathlib import Path; from components.trainer import run_folder\n"
        "print(run_folder.claim(Path(sys.argv[1]), {'a': 1}), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(command.__file__).parents[2],
        text=True,
    ) as other:
        claimed = Path(other.stdout.readline().strip())
        assert claimed.is_dir()
        assert run_folder.claim(tmp_path, {"a": 1}) is None
        other.stdin.close()
        other.wait()
    assert run_folder.claim(tmp_path, {"a": 1}) == claimed
    run_folder.keep(claimed, tmp_path / "kept")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_thread_that_never_ends_does_not_keep_the_training(examples, write_module, tmp_path):
    """It fails for want of a model, and within the test's time."""
    source = """
        def run_fn(fn_args):
            import threading
            threading.Thread(target=threading.Event().wait).start()
    """
    with pytest.raises(InvalidModelError, match="wrote no SavedModel"):
        train(module_file=write_module(source), examples=examples, output_dir=tmp_path / "out")


def test_a_module_may_import_what_asks_for_pkg_resources(attempt, write_module):
    source = """
        def run_fn(fn_args):
            from pkg_resources import parse_version
            assert parse_version("1.10") > parse_version("1.9")
            raise RuntimeError("imported")
    """
    _, message = attempt(write_module(source))
    assert "RuntimeError: imported" in message
