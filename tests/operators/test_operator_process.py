"""The child runner against real children."""

import json
import logging
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowTaskTimeout

from components.records import Finding, PushedModel, Refusal
from operators import _process
from operators._process import ChildProcess, child_environment
from tests.airflow_home import REPOSITORY

DEADLINE_SECONDS = 20.0
LOGGER = logging.getLogger("components.some")
REFUSAL = json.dumps(Refusal((Finding("hold", False, "on hold"),)).to_json())
PUSHED = json.dumps(PushedModel("pushed", "1", "/serving/1", "sha256:a", "sha256:a").to_json())


def run(script: str, *arguments: str, child: ChildProcess | None = None):
    command = [sys.executable, "-c", textwrap.dedent(script), *arguments]
    runner = child or ChildProcess()
    return runner.run(command, logger=LOGGER, environment=child_environment())


def wait_until(condition: Callable[[], bool], seconds: float = DEADLINE_SECONDS) -> float:
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            pytest.fail(f"not within {seconds} s")
        time.sleep(0.01)
    return time.monotonic() - start


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def read_pids(file: Path, count: int) -> list[int]:
    wait_until(lambda: file.exists() and len(file.read_text().split()) == count)
    return [int(pid) for pid in file.read_text().split()]


def test_returns_the_record_on_the_last_line_of_stdout():
    record = run("import sys; print('noise'); print(sys.argv[1])", PUSHED)
    assert isinstance(record, PushedModel)
    assert record.version == "1"


def test_returns_a_refusal_on_exit_code_3():
    record = run("import sys; print(sys.argv[1]); sys.exit(3)", REFUSAL)
    assert isinstance(record, Refusal)
    assert record.check == "hold"


@pytest.mark.parametrize(
    ("code", "expected"), [(1, AirflowException), (2, AirflowFailException), (7, AirflowException)]
)
def test_an_exit_code_decides_about_the_retry_and_carries_the_reason(code, expected):
    script = f"""
        import sys
        print("ERROR components.some: the column 'x' is unknown", file=sys.stderr)
        print("INFO components.some: bye", file=sys.stderr)
        sys.exit({code})
    """
    with pytest.raises(AirflowException, match="the column 'x' is unknown") as caught:
        run(script)
    assert type(caught.value) is expected


def test_a_traceback_gives_the_reason_where_no_error_line_does():
    with pytest.raises(AirflowException, match="ZeroDivisionError: division by zero"):
        run("1 / 0")


def test_a_child_killed_by_the_kernel_is_retried_and_says_so():
    script = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with pytest.raises(AirflowException, match=r"killed by SIGKILL .*more memory"):
        run(script)


@pytest.mark.parametrize("output", ["", "no json", "{}", "[1]"])
def test_success_without_a_record_is_a_failure(output):
    with pytest.raises(AirflowFailException, match="no record"):
        run("import sys; print(sys.argv[1])", output)


def test_a_large_record_and_much_log_do_not_block_each_other():
    script = """
        import sys
        for _ in range(2000):
            print("x" * 500, file=sys.stderr)
            print("y" * 500)
        print(sys.argv[1])
    """
    assert isinstance(run(script, PUSHED), PushedModel)


def test_logs_each_line_at_its_own_level(caplog):
    script = """
        import sys
        print("WARNING components.some.part: careful\\nplain", file=sys.stderr)
        print(sys.argv[1])
    """
    with caplog.at_level(logging.INFO):
        run(script, PUSHED)
    assert ("components.some.part", logging.WARNING, "careful") in caplog.record_tuples
    assert ("components.some", logging.INFO, "plain") in caplog.record_tuples


def test_a_line_is_logged_while_the_child_still_runs(tmp_path):
    seen = threading.Event()
    handler = logging.Handler()
    handler.emit = lambda record: seen.set()  # type: ignore[method-assign]
    LOGGER.addHandler(handler)
    script = """
        import pathlib, sys, time
        print("ERROR components.some: started", file=sys.stderr)
        while not pathlib.Path(sys.argv[1]).exists():
            time.sleep(0.01)
        print(sys.argv[2])
    """
    release = tmp_path / "release"
    threading.Thread(target=lambda: seen.wait(DEADLINE_SECONDS) and release.touch()).start()
    try:
        assert isinstance(run(script, str(release), PUSHED), PushedModel)
    finally:
        LOGGER.removeHandler(handler)


def test_kill_ends_the_whole_group_within_five_seconds_and_run_does_not_return(tmp_path):
    """Both ignore SIGTERM, as TensorFlow in a long call does."""
    script = """
        import os, pathlib, signal, subprocess, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        pathlib.Path(sys.argv[1]).write_text(f"{os.getpid()} {grandchild.pid}")
        time.sleep(600)
    """
    child, pids_file = ChildProcess(), tmp_path / "pids"
    killed_at = []

    def kill() -> None:
        read_pids(pids_file, 2)
        killed_at.append(time.monotonic())
        child.kill()

    threading.Thread(target=kill).start()
    with pytest.raises(AirflowException, match="was stopped: Airflow asked"):
        run(script, str(pids_file), child=child)
    pids = read_pids(pids_file, 2)
    wait_until(lambda: not any(map(is_running, pids)), 1.0)
    assert time.monotonic() - killed_at[0] < 5.0


def test_kill_lets_the_child_say_goodbye_but_not_succeed(tmp_path, caplog):
    script = """
        import pathlib, signal, sys, time
        def leave(*_):
            print("WARNING components.some: leaving", file=sys.stderr)
            print(sys.argv[2])
            sys.exit(0)
        signal.signal(signal.SIGTERM, leave)
        pathlib.Path(sys.argv[1]).write_text("1")
        time.sleep(600)
    """
    child, ready = ChildProcess(), tmp_path / "ready"
    threading.Thread(target=lambda: (read_pids(ready, 1), child.kill())).start()
    with pytest.raises(AirflowException, match="was stopped"):
        run(script, str(ready), PUSHED, child=child)
    assert "leaving" in caplog.text


def test_nothing_is_started_after_a_kill(tmp_path):
    child = ChildProcess()
    child.kill()
    with pytest.raises(AirflowException, match="was stopped"):
        run(f"open({str(tmp_path / 'started')!r}, 'w')", child=child)
    assert not (tmp_path / "started").exists()


def test_a_signal_to_the_task_reaches_on_kill_while_it_waits(tmp_path):
    """As Airflow does it: SIGTERM, whose handler calls `on_kill` in the main thread."""
    child, ready = ChildProcess(), tmp_path / "ready"
    before = signal.signal(signal.SIGTERM, lambda *_: child.kill())
    script = """
        import pathlib, sys, time
        pathlib.Path(sys.argv[1]).write_text("1")
        time.sleep(600)
    """
    threading.Thread(
        target=lambda: (read_pids(ready, 1), os.kill(os.getpid(), signal.SIGTERM))
    ).start()
    try:
        with pytest.raises(AirflowException, match="was stopped"):
            run(script, str(ready), child=child)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_timeout_leaves_nothing_running(tmp_path):
    pids_file = tmp_path / "pids"
    script = """
        import os, pathlib, sys, time
        pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
        time.sleep(600)
    """

    def time_out(*_: object) -> None:
        raise AirflowTaskTimeout("too long")

    before = signal.signal(signal.SIGUSR1, time_out)
    threading.Thread(
        target=lambda: (read_pids(pids_file, 1), os.kill(os.getpid(), signal.SIGUSR1))
    ).start()
    try:
        with pytest.raises(AirflowTaskTimeout):
            run(script, str(pids_file))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert not is_running(read_pids(pids_file, 1)[0])


def test_a_process_left_behind_in_the_group_is_ended_with_the_child(tmp_path):
    """It would hold the pipe open, and the task would wait for it for ever."""
    pids_file = tmp_path / "pids"
    script = """
        import pathlib, subprocess, sys
        left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        pathlib.Path(sys.argv[1]).write_text(str(left.pid))
        print(sys.argv[2])
    """
    assert isinstance(run(script, str(pids_file), PUSHED), PushedModel)
    wait_until(lambda: not is_running(read_pids(pids_file, 1)[0]), 1.0)


def test_a_child_dies_with_a_task_process_that_is_killed(tmp_path):
    pids_file = tmp_path / "pids"
    component = """
        import os, pathlib, sys, time
        from components.parent_death import die_with_announced_parent
        die_with_announced_parent()
        pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
        time.sleep(600)
    """
    task = f"""
        import logging, sys
        from operators._process import ChildProcess, child_environment
        ChildProcess().run(
            [sys.executable, "-c", {textwrap.dedent(component)!r}, {str(pids_file)!r}],
            logger=logging.getLogger("task"), environment=child_environment(),
        )
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(task)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    try:
        pid = read_pids(pids_file, 1)[0]
        assert is_running(pid)
    finally:
        process.kill()
        process.wait()
    wait_until(lambda: not is_running(pid), 1.0)


def test_a_component_finds_the_project_wherever_the_worker_stands(tmp_path, monkeypatch):
    (tmp_path / "components.py").write_text("raise SystemExit('the wrong one')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "/somewhere/else")
    command = _process.component_command("errors", [])
    result = subprocess.run(command, env=child_environment(), capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, b"")
    assert child_environment()["PYTHONPATH"] == f"{REPOSITORY}{os.pathsep}/somewhere/else"


def test_no_child_gets_the_signing_key_but_one_that_it_is_given_to(monkeypatch):
    monkeypatch.setenv("IMPRIMATUR_SIGNING_KEY", "secret")
    assert "IMPRIMATUR_SIGNING_KEY" not in child_environment()
    assert child_environment(b"key")["IMPRIMATUR_SIGNING_KEY"] == "a2V5"
