"""``scripts/stack``: Airflow, its stores, workers and a model server in containers.

``up`` builds and starts them and waits until all are healthy; ``demo`` shows two months of flights
go live and one go back; ``logs`` follows what they print; ``down`` ends them.
"""

import argparse
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from scripts.stack_compose import PROFILES, Compose
from scripts.stack_settings import ENV_FILE, StackError, prepare, read_settings

DEMO_MODEL = "flight_delays"
LOCAL_SCHEDULER = "scheduler-local"
READY = """
  Airflow       {AIRFLOW_BASE_URL}   user admin, password in
                {STACK_SECRETS}/admin_password
  model server  http://localhost:{MODEL_SERVER_REST_PORT}/v1/models/{MODEL_NAME}

On this machine only. Next: scripts/stack demo; scripts/stack down ends it.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Do what is asked for; 1 if it failed, 130 after Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    given = parse(argv)
    try:
        if given.verb == "up":
            up(given.env_file, given.profile, is_built=given.build)
        elif given.verb == "demo":
            demo(given.env_file, is_replacing=given.replace)
        elif given.verb == "logs":
            logs(given.env_file, given.services)
        else:
            down(given.env_file, volumes=given.volumes)
    except StackError as error:
        print(f"scripts/stack: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. What runs goes on; scripts/stack down ends it.", file=sys.stderr)
        return 130
    return 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(prog="scripts/stack", description=__doc__)
    parser.add_argument("--env-file", type=Path, default=ENV_FILE, metavar="FILE")
    verbs = parser.add_subparsers(dest="verb", required=True)
    starting = verbs.add_parser("up", help="build, start, wait until all is healthy")
    starting.add_argument("--profile", choices=PROFILES, default="full")
    starting.add_argument("--no-build", dest="build", action="store_false")
    showing = verbs.add_parser("demo", help="two months of flights go live, one goes back")
    showing.add_argument(
        "--replace", action="store_true", help="move aside what flight_delays serves already"
    )
    following = verbs.add_parser("logs", help="follow what the containers print")
    following.add_argument("services", nargs="*", metavar="SERVICE")
    ending = verbs.add_parser("down", help="end all; what is on disk stays")
    ending.add_argument("--volumes", action="store_true", help="remove the databases, too")
    return parser.parse_args(argv)


def up(env_file: Path, profile: str, *, is_built: bool = True) -> None:
    """Build the image, start a profile's services, wait until they are healthy.

    Raises:
        StackError: something can't be made, built or started.
    """
    settings = prepare(env_file)
    names = ("AIRFLOW_BASE_URL", "STACK_SECRETS", "MODEL_SERVER_REST_PORT", "MODEL_NAME")
    ready = READY.format(**{name: settings[name] for name in names})
    compose = Compose(settings)
    _check_profile(compose, profile)
    if is_built:
        compose.run("build", "init")
    compose.pull(profile)
    begin = time.monotonic()
    compose.start(profile, lambda text: _say(begin, text))
    _say(begin, f"all of profile {profile} are healthy")
    print(ready, end="", flush=True)


def demo(env_file: Path, *, is_replacing: bool = False) -> None:
    """Run `scripts.stack_demo` in a container of the stack.

    Args:
        env_file: of the stack.
        is_replacing: move aside what its model's serving folder has, and begin anew.

    Raises:
        StackError: the stack isn't up, the serving folder isn't empty, or the demo failed; it has
            said why.
    """
    settings = read_settings(env_file)
    if settings["MODEL_NAME"] != DEMO_MODEL:
        raise StackError(f"the model server serves MODEL_NAME={settings['MODEL_NAME']}; the demo's "
                         f"model is {DEMO_MODEL}")  # fmt: skip
    compose = Compose(settings)
    services = compose.services()
    if not services or not all(service.is_ready for service in services):
        raise StackError("the stack isn't up: run scripts/stack up")
    serving = Path(settings["IMPRIMATUR_SERVING_ROOT"])
    command = ("run", "--rm", "-T", "--no-deps", "init", "python", "-m", "scripts.stack_demo")
    if is_replacing:
        compose.run(*command, "--end-runs")  # a push under way would go on in the empty folder
        set_aside(serving / DEMO_MODEL, serving.with_name("earlier"))
    elif published := published_in(serving / DEMO_MODEL):
        raise StackError(
            f"{serving / DEMO_MODEL} serves {published[-1].name} already, and the demo begins with "
            "nothing: scripts/stack demo --replace ends that DAG's runs, moves it aside and writes "
            "its data again"
        )
    compose.run(*command)


def set_aside(serving: Path, earlier: Path) -> None:
    """Move what an earlier demo published out of the way; the folder itself stays mounted.

    Raises:
        StackError: it can't be moved; what was moved says where it is.
    """
    published = sorted(serving.iterdir()) if serving.is_dir() else []
    if not published:
        return
    target = earlier / f"{serving.name}-{datetime.now():%Y%m%dT%H%M%S}"
    try:
        target.mkdir(parents=True)
        for path in published:
            shutil.move(path, target / path.name)  # which may be another file system
    except OSError as error:
        raise StackError(f"what {serving} has can't be moved to {target}: {error}") from None
    print(f"what was published before is now in {target}", flush=True)


def published_in(serving: Path) -> list[Path]:
    """Return the versions of a serving folder, the oldest first."""
    found = serving.iterdir() if serving.is_dir() else ()
    return sorted((path for path in found if path.name.isdecimal()), key=lambda path: path.name)


def logs(env_file: Path, services: Sequence[str]) -> None:
    """Follow what the containers print, until Ctrl-C."""
    Compose(read_settings(env_file)).run("logs", "--follow", "--tail=100", *services)


def down(env_file: Path, *, volumes: bool = False) -> None:
    """End and remove the containers; artifacts, serving folders and secrets stay.

    Raises:
        StackError: Compose can't.
    """
    compose = Compose(read_settings(env_file))
    compose.run("stop")
    compose.remove_candidates()
    more = ["--volumes"] if volumes else []
    compose.run("down", "--remove-orphans", *more)


def _check_profile(compose: Compose, profile: str) -> None:
    running = {service.name for service in compose.services()}
    if not running & {"scheduler", LOCAL_SCHEDULER}:
        return
    other = "small" if LOCAL_SCHEDULER in running else "full"
    if other != profile:
        raise StackError(f"the stack runs with profile {other}: scripts/stack down first")


def _say(begin: float, text: str) -> None:
    print(f"[{time.monotonic() - begin:4.0f} s] {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
