"""A whole Airflow on this machine, below one folder: for the demo, the page and the tests.

::

    var/airflow/             AIRFLOW_HOME; nothing is written outside
      airflow.db             SQLite
      airflow.cfg            made by Airflow: holds the key that its parts share
      logs/local-*.log       what scheduler, api-server, … print
      data/ artifacts/ serving/
      .lock                  held while an Airflow of this home runs
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import filelock
import httpx

from components.parent_death import die_with_parent
from scripts.airflow_client import USER, AirflowClient

REPOSITORY = Path(__file__).resolve().parents[1]
HOME = REPOSITORY / "var" / "airflow"
PREFERRED_PORT = 8080
START_TIMEOUT_SECONDS = 180.0
STOP_TIMEOUT_SECONDS = 8.0
POLL_SECONDS = 0.5
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "api-server": ("api-server",),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
HEALTH_NAMES = {
    "scheduler": "scheduler",
    "dag-processor": "dag_processor",
    "triggerer": "triggerer",
}


class AirflowError(Exception):
    """Airflow doesn't start, or one of its processes ended."""


def environment(home: Path, port: int, prefix: str = "") -> dict[str, str]:
    """Return the environment of an Airflow of its own.

    Below `prefix`, as ``/airflow``, it is served as it would be behind a proxy. What the caller's
    environment says of another Airflow is left out.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    address = f"http://127.0.0.1:{port}{prefix}"
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}",
        "PYTHONPATH": str(REPOSITORY),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        # A request waits for the scheduler's writing; by default it fails after 5 s.
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db?timeout=60",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.1",
    }


@dataclass
class LocalAirflow:
    """Starts Airflow's processes and ends them, whatever happens in between.

    Args:
        home: the AIRFLOW_HOME; made if it isn't there.
        commands: names of `COMMANDS` to run; the triggerer is needed only where a task waits.
        settings: more environment variables, which win over `environment`.
        prefix: the path that its page is served below, as ``/airflow``; default: none.
        preferred_port: used if nobody listens on it; 0: any, for several that start at once.
    """

    home: Path = HOME
    commands: tuple[str, ...] = ("api-server", "scheduler", "dag-processor")
    settings: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""
    preferred_port: int = PREFERRED_PORT
    _processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict, init=False)
    _cleanup: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, init=False)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as cleanup:
            self.home.mkdir(parents=True, exist_ok=True)
            cleanup.enter_context(_only_one(self.home))
            self.port = free_port(self.preferred_port)
            self.environment = {**environment(self.home, self.port, self.prefix), **self.settings}
            self._migrate()
            cleanup.callback(self.stop)
            for name in self.commands:
                self._start(name)
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._cleanup.close()

    @property
    def address(self) -> str:
        """Where the page and the API are."""
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    def wait_until_healthy(self) -> AirflowClient:
        """Wait for all processes, and return a client that is logged in as administrator.

        Raises:
            AirflowError: a process ended, or it takes more than `START_TIMEOUT_SECONDS`.
        """
        self.wait_until_ready()
        return AirflowClient.log_in(self.address, self.home)

    def wait_until_ready(self) -> None:
        """Wait for all processes, whoever manages users.

        Raises:
            AirflowError: a process ended, or it takes more than `START_TIMEOUT_SECONDS`.
        """
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            self.check_alive()
            if self._is_healthy():
                return
            time.sleep(POLL_SECONDS)
        raise AirflowError(
            f"Airflow isn't ready after {START_TIMEOUT_SECONDS:.0f} s; "
            f"what its processes say is in {self.home / 'logs'}/local-*.log"
        )

    def check_alive(self) -> None:
        """Raise if one of the processes ended by itself.

        Raises:
            AirflowError: with the end of what it printed.
        """
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise AirflowError(
                    f"Airflow's {name} ended with exit code {process.returncode}. The end of "
                    f"{self._log_path(name)}:\n{_tail(self._log_path(name))}"
                )

    def stop(self) -> None:
        """End all processes: politely, then by force."""
        for process in self._processes.values():
            _signal_group(process, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        for process in self._processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            _signal_group(process, signal.SIGKILL)
            process.wait()
        self._processes.clear()

    def _migrate(self) -> None:
        result = subprocess.run(
            [sys.executable, "-m", "airflow", "db", "migrate"],
            env=self.environment,
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise AirflowError(
                f"Airflow's database in {self.home} can't be set up; if it is an old one that "
                f"isn't needed, remove {self.home}:\n{(result.stdout + result.stderr)[-3000:]}"
            )

    def _start(self, name: str) -> None:
        parent = os.getpid()
        self._log_path(name).parent.mkdir(exist_ok=True)
        with self._log_path(name).open("wb") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", "airflow", *COMMANDS[name]],
                env=self.environment,
                cwd=REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us: we end them, in order
                preexec_fn=lambda: die_with_parent(parent, signal.SIGTERM),
            )

    def _is_healthy(self) -> bool:
        try:
            answer = httpx.get(
                f"{self.address}/api/v2/monitor/health", timeout=5.0, trust_env=False
            )
            status = answer.raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            return False
        names = [HEALTH_NAMES[name] for name in self.commands if name in HEALTH_NAMES]
        return all((status.get(name) or {}).get("status") == "healthy" for name in names)

    def _log_path(self, name: str) -> Path:
        return self.home / "logs" / f"local-{name}.log"


def free_port(preferred: int = PREFERRED_PORT) -> int:
    """Return a port on 127.0.0.1 that nobody listens on: the preferred one if possible."""
    for port in (preferred, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise AirflowError("no free port on 127.0.0.1")


@contextlib.contextmanager
def _only_one(home: Path) -> Iterator[None]:
    lock = filelock.FileLock(home / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise AirflowError(
            f"an Airflow of {home} runs already (scripts/ui or scripts/demo in another "
            "terminal?); end it first"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _signal_group(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _tail(path: Path, num_lines: int = 25) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-num_lines:])


__all__ = ["HOME", "REPOSITORY", "USER", "AirflowError", "LocalAirflow", "environment", "free_port"]
