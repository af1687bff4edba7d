"""Runs the workers of a search until there is nothing left to try, or no time."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, replace
from pathlib import Path

from components.errors import TrainingDiedError
from components.trainer.child_process import run_child
from components.trainer.child_spec import ChildResult, ChildSpec
from components.trainer.process_settings import ProcessSettings
from components.tuner.search_state import WorkerSpec, ongoing_run, write_json
from components.tuner.tune_args import TuneArgs

PROGRAM = "components.tuner._worker"
_ELAPSED_FILE = "elapsed_seconds"
_TICK_SECONDS = 2.0
_log = logging.getLogger("components.tuner")


def run_workers(
    spec: ChildSpec,
    settings: ProcessSettings,
    tune_args: TuneArgs,
    working_dir: Path,
    clock: Callable[[], float] = time.monotonic,
) -> list[ChildResult]:
    """Run the workers of a search; return what those reported that weren't ended for want of time.

    A worker that dies in the middle of a trial is started again; its trial counts as failed.

    Args:
        spec: of each worker.
        settings: of each worker's process.
        tune_args: how many there are, and what they may cost.
        working_dir: of the search.
        clock: seconds.

    Raises:
        TrainingError: the user's code raised, too many trials failed, or a worker died outside one.
        ConfigurationError: what ``tuner_fn`` returned can't be used.
    """
    names = tuple(f"worker-{index}" for index in range(tune_args.num_parallel_trials))
    stopped = threading.Event()
    own = [
        WorkerSpec(name, names, tune_args.max_trials, tune_args.max_seconds is not None)
        for name in names
    ]
    with ThreadPoolExecutor(len(names)) as pool:
        try:
            pending = [
                pool.submit(_keep_running, spec, settings, worker, working_dir, stopped)
                for worker in own
            ]
            _wait(pending, tune_args.max_seconds, working_dir / _ELAPSED_FILE, clock)
        finally:
            stopped.set()
    return [result for future in pending if (result := future.result()) is not None]


def _wait(
    pending: list[Future[ChildResult | None]],
    max_seconds: float | None,
    elapsed_file: Path,
    clock: Callable[[], float],
) -> None:
    """Wait for the end of all, of one by an error, or of the time; keep count of that."""
    before = float(elapsed_file.read_text()) if elapsed_file.is_file() else 0.0
    start = clock()
    while True:
        elapsed = before + clock() - start
        write_json(elapsed_file, round(elapsed, 1))  # whole, whenever this process is killed
        left = _TICK_SECONDS if max_seconds is None else max_seconds - elapsed
        if left <= 0:
            _log.info("the %g s of the search are over; trials that still run are ended", elapsed)
            return
        done, running = wait(pending, min(left, _TICK_SECONDS), FIRST_EXCEPTION)
        if not running or any(future.exception() for future in done):
            return


def _keep_running(
    spec: ChildSpec,
    settings: ProcessSettings,
    worker: WorkerSpec,
    working_dir: Path,
    stopped: threading.Event,
) -> ChildResult | None:
    last_run = None
    while True:
        own = replace(spec, program=PROGRAM, search=asdict(worker))
        try:
            return run_child(own, settings, stopped=stopped)
        except TrainingDiedError as error:
            if stopped.is_set():
                return None
            run = ongoing_run(working_dir, worker.name)
            if run is None or run == last_run:  # it died before a trial: so would the next one
                raise
            last_run = run
            _log.warning("%s; its trial counts as failed, another process goes on", error)
            worker = replace(worker, died=str(error))
