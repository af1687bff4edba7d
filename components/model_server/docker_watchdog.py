"""Kills a container at its deadline, and removes it when the process that started it ends.

It is a process of its own, in a session of its own: what kills its parent, the parent's process
group even, leaves it alive for the moment that it takes to tidy up. It learns of the parent's end
by the end of a pipe, so that it is never left over itself.

Run as a script, not as a module of its package: until there is something to do it imports the
standard library only.
"""

import json
import select
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from components.model_server.docker_settings import DockerSettings

_PROJECT_ROOT = Path(__file__).resolve().parents[2]
_ENGINE_SECONDS = 10


class Watchdog:
    """The watchdog of one container, and of the network of that name.

    Args:
        settings: say which engine, and the deadline.
        name: of the container, which needn't exist yet.

    Raises:
        OSError: it can't be started.
    """

    def __init__(self, settings: "DockerSettings", name: str) -> None:
        engine = {
            "client_base_url": settings.client_base_url,
            "client_api_version": settings.client_api_version,
            "client_timeout_seconds": _ENGINE_SECONDS,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__, name, str(settings.max_seconds), json.dumps(engine)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def dismiss(self) -> None:
        """End it: there is nothing left to watch."""
        self._process.kill()
        self._process.communicate()

    def act(self) -> None:
        """Have it tidy up now; waits until it did, or couldn't either."""
        try:
            self._process.communicate(timeout=2 * _ENGINE_SECONDS)
        except subprocess.TimeoutExpired:
            self.dismiss()


def main(argv: list[str]) -> int:
    """Watch until the parent ends."""
    name, max_seconds, engine = argv
    if not _parent_ends(float(max_seconds)):
        _tidy(name, engine, remove=False)
        _parent_ends(None)
    _tidy(name, engine, remove=True)
    return 0


def _parent_ends(timeout_seconds: float | None) -> bool:
    ready, _, _ = select.select([sys.stdin], [], [], timeout_seconds)
    return bool(ready)


def _tidy(name: str, engine: str, *, remove: bool) -> None:
    """Kill the container, so that its log can still be read, or remove it."""
    sys.path.insert(0, str(_PROJECT_ROOT))
    from components.model_server import docker_engine, docker_reaper
    from components.model_server.docker_settings import DockerSettings

    client = docker_engine.connect(DockerSettings(**json.loads(engine)))
    if remove:
        docker_reaper.remove(client, [name], [name])
    else:
        docker_reaper.kill(client, name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
