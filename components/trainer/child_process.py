"""Starts the processes that run a user's code, shows what they print, and explains their end."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from components import errors
from components.errors import TrainingDiedError
from components.signing import KEY_VARIABLE
from components.trainer import death, process_tree, progress, seeding, stand_in, subreaper
from components.trainer.child_spec import RESULT_FILE, ChildResult, ChildSpec
from components.trainer.live_output import copy_lines
from components.trainer.process_settings import ProcessSettings
from components.trainer.scratch import scratch_directory

PROJECT_ROOT = Path(__file__).parents[2]
_DRAIN_SECONDS = 5.0
_END_SECONDS = 2.0
_LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class _Worker:
    process: subprocess.Popen[bytes]
    """The subreaper that the worker is a child of."""
    printer: threading.Thread
    result_file: Path

    def has_ended(self, timeout_seconds: float | None) -> bool:
        """Wait for its end, at most so long."""
        try:
            self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self) -> None:
        """Have it killed, with all that it started."""
        if not self.has_ended(_END_SECONDS):
            self.process.kill()
            self.process.wait()

    def result(self, taken_bytes: int | None, limit_bytes: int | None) -> ChildResult:
        """Return what it reported.

        Raises:
            ImprimaturError: what it reported, of the same class.
            TrainingDiedError: it died without a report.
        """
        if not self.result_file.is_file():
            raise TrainingDiedError(
                death.explain_end(self.process.returncode)
                if taken_bytes is None
                else death.explain_memory(taken_bytes, limit_bytes)
            )
        result = ChildResult(**json.loads(self.result_file.read_text(encoding="utf-8")))
        if result.error_type is not None:
            raise getattr(errors, result.error_type)(result.error_message)
        return result


def run_child(
    spec: ChildSpec,
    settings: ProcessSettings | None = None,
    variables: Mapping[str, str] | None = None,
    stopped: threading.Event | None = None,
) -> ChildResult:
    """Train in a child process, or in several that work together; return when all have ended.

    What they print goes to stderr, line by line. They die with this process, however that dies,
    and whatever they started is killed when they have ended.

    Args:
        spec: of the first worker; the others' models go to a scratch directory.
        settings: of each of them.
        variables: more of their environment.
        stopped: once it is set, the processes are ended.

    Raises:
        ImprimaturError: what a child reported, of the same class.
        TrainingDiedError: one died without a report, or was stopped.
    """
    chosen = settings or ProcessSettings()
    name = process_tree.new_name()
    with scratch_directory() as scratch:
        common = _environment(spec, {**chosen.variables(), **(variables or {})})
        common[process_tree.VARIABLE] = name
        with _ended(name) as workers:
            for index, own in enumerate(_clusters(chosen.num_workers)):
                folder = scratch / str(index)
                workers.append(_start(_for_worker(spec, index, folder), folder, common | own))
            limit = process_tree.MemoryLimit(
                [worker.process.pid for worker in workers], chosen.memory_limit_bytes
            )
            try:
                first_failed = _wait(workers, stopped)
            finally:
                limit.stop()
            failed = [] if first_failed is None else [first_failed]
            results = [
                worker.result(limit.taken_bytes, chosen.memory_limit_bytes)
                for worker in [*failed, *workers]
            ]
    return results[0]


@contextmanager
def _ended(name: str) -> Iterator[list[_Worker]]:
    """Yield a list for workers; none of them, nor what they started, outlives the block."""
    workers: list[_Worker] = []
    try:
        yield workers
    finally:
        for worker in workers:
            if worker.process.stdin is not None:
                worker.process.stdin.close()  # the signal to end
        for worker in workers:
            worker.end()
        process_tree.end_all(name)
        for worker in workers:
            worker.printer.join(_DRAIN_SECONDS)


def _wait(workers: list[_Worker], stopped: threading.Event | None) -> _Worker | None:
    """Wait until all have ended well, or one hasn't; return that one. The others would hang."""
    running = list(workers)
    waits_for_one = len(workers) == 1 and stopped is None
    while running:
        for worker in list(running):
            if stopped is not None and stopped.is_set():
                raise TrainingDiedError("the process was ended, because it was no longer wanted")
            if not worker.has_ended(None if waits_for_one else _LOOK_SECONDS):
                continue
            worker.printer.join(_DRAIN_SECONDS)  # a grandchild may hold the pipe open for ever
            if worker.process.returncode != errors.EXIT_DONE:
                return worker
            running.remove(worker)
    return None


def _for_worker(spec: ChildSpec, index: int, folder: Path) -> ChildSpec:
    folder.mkdir()
    if index == 0:
        return spec
    own = {
        "serving_model_dir": str(folder / "serving_model"),
        "eval_model_dir": str(folder / "eval_model"),
        "model_run_dir": str(folder / "model_run"),
    }
    Path(own["model_run_dir"]).mkdir()
    return replace(spec, fn_args={**spec.fn_args, **own}, resume_root=None, is_chief=False)


def _start(spec: ChildSpec, folder: Path, environment: Mapping[str, str]) -> _Worker:
    temporary = folder / "tmp"
    temporary.mkdir()
    spec_file = folder / "spec.json"
    spec_file.write_text(json.dumps(vars(spec)), encoding="utf-8")
    training = [sys.executable, "-P", "-m", spec.program, str(spec_file)]
    process = subprocess.Popen(
        subreaper.command(training),
        env={"TMPDIR": str(temporary), **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    printer = threading.Thread(target=_print, args=(process.stdout,), daemon=True)
    printer.start()
    return _Worker(process, printer, folder / RESULT_FILE)


def _print(output: IO[bytes] | None) -> None:
    if output is None:
        return
    with output:  # closed by the thread that reads it: closing it elsewhere would wait for its read
        copy_lines(output, sys.stderr)


def _environment(spec: ChildSpec, given: Mapping[str, str]) -> dict[str, str]:
    """Return a child's; a path that is given comes after ours, which it can't start without."""
    users = given.get("PYTHONPATH", os.environ.get("PYTHONPATH"))
    path = [*stand_in.python_path(), str(PROJECT_ROOT), *([users] if users else [])]
    environment = {
        "TF_CPP_MIN_LOG_LEVEL": "2",
        **os.environ,
        **seeding.variables(spec.seed, deterministic=spec.deterministic),
        "PYTHONUNBUFFERED": "1",
        "TF_USE_LEGACY_KERAS": "0",
        **given,
        "PYTHONPATH": os.pathsep.join(path),
    }
    environment.setdefault("TFHUB_CACHE_DIR", str(Path(tempfile.gettempdir()) / "tfhub_modules"))
    for variable in (KEY_VARIABLE, "TMPDIR"):
        environment.pop(variable, None)
    return environment


def _clusters(num_workers: int) -> list[dict[str, str]]:
    """Return each worker's own variables: its place among them; one alone has none."""
    if num_workers == 1:
        return [{}]
    cluster = {"worker": [f"localhost:{port}" for port in _free_ports(num_workers)]}
    tasks: list[dict[str, Any]] = [{"type": "worker", "index": i} for i in range(num_workers)]
    own = [{"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})} for task in tasks]
    return [own[0], *(variables | {progress.FILE_VARIABLE: ""} for variables in own[1:])]


def _free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports
