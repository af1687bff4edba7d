"""Docker and Compose, as command lines: Compose v2, or docker-compose 1.29 where only that is."""

import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.stack_settings import REPOSITORY, Settings, StackError

PROFILES = ("small", "full")
START_TIMEOUT_SECONDS = 900.0
POLL_SECONDS = 1.0
NUM_LOG_LINES = 30
MAX_RESTARTS = 4
INIT = "init"
"""The service that does its work and ends; all others run until they are stopped."""
_PROJECT = "com.docker.compose.project"
_SERVICE = "com.docker.compose.service"
_ONE_OFF = "com.docker.compose.oneoff"
_CANDIDATE = "imprimatur.owner"
"""What `components.model_server.docker_reaper` labels each candidate's container with."""


@dataclass(frozen=True)
class Service:
    """A container of the stack, as the engine sees it."""

    name: str
    container: str
    status: str
    """``healthy``, ``starting``, ``unhealthy`` where it is checked; else the container's state."""
    exit_code: int
    started_at: str
    num_restarts: int
    """By the engine, since the container was made."""

    @property
    def is_ready(self) -> bool:
        """Whether it works, or has done its work."""
        is_done = self.name == INIT and self.status == "exited" and self.exit_code == 0
        return self.status == "healthy" or is_done

    def is_lost(self, before: "Service | None" = None) -> bool:
        """Return whether waiting won't help.

        Args:
            before: the same container before it was started this time: what it did then says
                nothing of now.
        """
        has_failed = self.name == INIT and self.status == "exited" and self.exit_code != 0
        is_old = before is not None and before.started_at == self.started_at
        num_restarts = self.num_restarts - (before.num_restarts if before else 0)
        return (has_failed and not is_old) or num_restarts > MAX_RESTARTS


class MissingContainerError(StackError):
    """There is no such container, or no longer."""


@dataclass(frozen=True)
class Compose:
    """The stack of a .env; `files` are Compose files, the later ones add to the earlier."""

    settings: Settings
    files: Sequence[str] = ("docker-compose.yml",)

    def command(self, *arguments: str, profiles: Sequence[str] = PROFILES) -> list[str]:
        """Return a command line of Compose."""
        options = [part for file in self.files for part in ("--file", file)]
        options += [part for profile in profiles for part in ("--profile", profile)]
        env = ["--env-file", str(self.settings.env_file)]
        name = ["--project-name", self.settings.project]
        return [*compose_program(), *env, *name, *options, *arguments]

    def run(self, *arguments: str, profiles: Sequence[str] = PROFILES) -> None:
        """Run Compose, which prints to the terminal.

        Raises:
            StackError: it failed; it has said why.
        """
        command = self.command(*arguments, profiles=profiles)
        result = subprocess.run(command, cwd=REPOSITORY, check=False)
        if result.returncode != 0:
            raise StackError(f"`{' '.join(command)}` ended with {result.returncode}; see above")

    def services(self) -> list[Service]:
        """Return the stack's containers, running or not, by name."""
        filters = [f"label={_PROJECT}={self.settings.project}", f"label={_ONE_OFF}=False"]
        options = [part for each in filters for part in ("--filter", each)]
        found: list[Any] = []
        for container in docker("ps", "--all", "--quiet", *options).split():
            with contextlib.suppress(MissingContainerError):  # gone since it was listed
                found += json.loads(docker("inspect", container))
        return sorted(map(_service, found), key=lambda service: service.name)

    def pull(self, profile: str) -> None:
        """Bring the images that aren't here yet, and let Docker show how far it is.

        Raises:
            StackError: one can't be had; Docker has said why.
        """
        names = ["POSTGRES_IMAGE", "MODEL_SERVER_IMAGE"]
        names += ["REDIS_IMAGE"] if profile == "full" else []
        for name in names:
            image = self.settings[name]
            here = subprocess.run(["docker", "image", "inspect", image], capture_output=True)
            if here.returncode == 0:
                continue
            if subprocess.run(["docker", "pull", image], check=False).returncode != 0:
                raise StackError(
                    f"{name} is {image}, which isn't here and can't be pulled; see above. Build or "
                    f"load it, or name another in {self.settings.env_file}"
                )

    def remove_candidates(self) -> None:
        """Remove what was being validated when its worker was killed; it would keep the network."""
        network = self.settings["VALIDATION_NETWORK"]
        filters = ("--filter", f"network={network}", "--filter", f"label={_CANDIDATE}")
        for container in docker("ps", "--all", "--quiet", *filters).split():
            with contextlib.suppress(MissingContainerError):  # whoever started it was quicker
                docker("rm", "--force", container)

    def start(self, profile: str, say: Callable[[str], None]) -> None:
        """Start the services of a profile, and wait until each is healthy.

        Raises:
            StackError: one can't be started, ends again and again, or takes too long.
        """
        command = self.command("up", "--detach", profiles=[profile])
        before = {service.container: service for service in self.services()}
        with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
            starting = subprocess.Popen(
                command,
                cwd=REPOSITORY,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
            try:
                self._follow(starting, before, say)
            except StackError as error:
                said.seek(0)
                raise StackError(f"{error}\nWhat Compose said:\n{said.read()}") from None
            finally:
                starting.terminate()
                starting.wait()

    def _follow(
        self,
        starting: "subprocess.Popen[bytes]",
        before: Mapping[str, Service],
        say: Callable[[str], None],
    ) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        shown: dict[str, str] = {}
        while time.monotonic() < deadline:
            code = starting.poll()  # before the containers: then all of them are there
            services = self.services()
            for service in services:
                if shown.get(service.name) != service.status:
                    say(f"{service.name:<16} {_words(service)}")
                shown[service.name] = service.status
            lost = [each for each in services if each.is_lost(before.get(each.container))]
            if code or lost:
                raise StackError(f"the stack doesn't start\n{logs_of(lost or services)}")
            if code == 0 and services and all(service.is_ready for service in services):
                return
            time.sleep(POLL_SECONDS)
        late = [service for service in self.services() if not service.is_ready]
        raise StackError(f"not ready after {START_TIMEOUT_SECONDS:.0f} s\n{logs_of(late)}")


def compose_program() -> list[str]:
    """Return how Compose is called on this machine.

    Raises:
        StackError: it isn't there.
    """
    if shutil.which("docker"):
        plugin = ["docker", "compose"]
        found = subprocess.run([*plugin, "version"], capture_output=True, check=False)
        if found.returncode == 0:
            return plugin
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    raise StackError("there is no Docker Compose: install docker-compose-plugin or docker-compose")


def docker(*arguments: str) -> str:
    """Return what the command line of Docker prints.

    Raises:
        MissingContainerError: there is no such container.
        StackError: it failed for another reason.
    """
    command = ["docker", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        is_missing = "No such object" in result.stderr or "No such container" in result.stderr
        error = MissingContainerError if is_missing else StackError
        raise error(f"`docker {arguments[0]}` failed: {result.stderr.strip()}")
    return result.stdout


def logs_of(services: Sequence[Service]) -> str:
    """Return the ends of the logs of services that aren't as they should be."""
    parts = []
    for service in services:
        if not service.is_ready:
            command = ["docker", "logs", "--tail", str(NUM_LOG_LINES), service.container]
            said = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
            )
            parts.append(f"--- {service.name}: {_words(service)}\n{said.stdout}")
    return "".join(parts)


def _service(attributes: dict[str, Any]) -> Service:
    state = attributes["State"]
    health = state.get("Health", {}).get("Status")
    is_checked = health is not None and state["Status"] == "running"
    return Service(
        name=attributes["Config"]["Labels"][_SERVICE],
        container=attributes["Id"],
        status=str(health if is_checked else state["Status"]),
        exit_code=int(state["ExitCode"]),
        started_at=str(state["StartedAt"]),
        num_restarts=int(attributes["RestartCount"]),
    )


def _words(service: Service) -> str:
    if service.status == "exited":
        return "done" if service.exit_code == 0 else f"ended with {service.exit_code}"
    return service.status
