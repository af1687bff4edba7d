"""What the stack needs on this machine before it starts: its .env, directories and secrets.

Standard library only: everything else is in the containers.

::

    var/stack/
      artifacts/ serving/ data/ logs/    mounted at the same path in every container
      earlier/                           what earlier demos published
      secrets/                           0700; files of 0600, one generated value in each
    .env                                 .env.example with this machine's ids and paths
"""

import base64
import contextlib
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
EXAMPLE = REPOSITORY / ".env.example"
ENV_FILE = REPOSITORY / ".env"
STATE = REPOSITORY / "var" / "stack"
AIRFLOW_UID = 50000
"""Whom Airflow runs as where this is started by root."""
SOCKET = Path("/var/run/docker.sock")
DIRECTORIES = {
    "IMPRIMATUR_ARTIFACTS": "artifacts",
    "IMPRIMATUR_SERVING_ROOT": "serving",
    "IMPRIMATUR_DATA": "data",
    "AIRFLOW_LOGS": "logs",
}
MIN_CPUS = 2
PATHS = (*DIRECTORIES, "STACK_SECRETS")
_SETTING = re.compile(r"^([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)
_QUOTED = re.compile(r"""('(?P<plain>[^']*)'|"(?P<simple>[^"\\$]*)")\s*(#.*)?""")


class StackError(Exception):
    """The stack can't be started, or doesn't do what it should."""


@dataclass(frozen=True)
class Settings:
    """What the .env says; the environment wins, as it does for Compose."""

    env_file: Path
    values: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        value = os.environ.get(name, self.values.get(name, ""))
        if not value:
            raise StackError(f"{name} isn't set; {self.env_file} needs it, as .env.example has it")
        return value

    @property
    def project(self) -> str:
        """What Compose calls the stack."""
        return self["COMPOSE_PROJECT_NAME"]

    @property
    def uid(self) -> int:
        """Whom Airflow runs as.

        Raises:
            StackError: it is no number.
        """
        value = self["AIRFLOW_UID"]
        if not value.isdecimal():
            raise StackError(f"AIRFLOW_UID is {value!r}; expected a number, as `id --user` gives")
        return int(value)


def read_settings(env_file: Path) -> Settings:
    """Read a .env.

    Raises:
        StackError: there is none, or it says something that Compose would read otherwise.
    """
    if not env_file.is_file():
        raise StackError(f"there is no {env_file}: scripts/stack up writes it")
    values = {}
    for number, line in enumerate(env_file.read_text(encoding="utf-8").splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                name, value = _read_line(line)
            except ValueError as error:
                raise StackError(f"{env_file}, line {number}: {error}") from None
            values[name] = value
    settings = Settings(env_file.absolute(), values)
    for name in PATHS:
        if name in values and not Path(settings[name]).is_absolute():
            raise StackError(
                f"{name} is {settings[name]!r}; a directory must be absolute, since every "
                f"container has it at the same path: change it in {env_file}"
            )
    return settings


def _read_line(line: str) -> tuple[str, str]:
    """Return name and value of a line, read as both Composes do; only what they agree on."""
    match = _SETTING.fullmatch(line.rstrip())
    if match is None:
        raise ValueError(f"{line!r} isn't NAME=value, without spaces before it or around the =")
    name, value = match[1], match[2].strip()
    if value.startswith(("'", '"')):
        quoted = _QUOTED.fullmatch(value)
        if quoted is None:
            raise ValueError(
                f"the value of {name} must end with the quote that it begins with, and between two "
                "double quotes there may be no others, \\ or $: write it between single quotes"
            )
        value = quoted["plain"] or quoted["simple"] or ""
        if "${" in value:
            raise ValueError(
                f"the value of {name} has ${{, which not every Compose leaves as it is"
            )
        return name, value
    value = re.split(r"\s#", value, maxsplit=1)[0].rstrip()
    if "$" in value:
        raise ValueError(f"the value of {name} has a $: write the value between single quotes")
    return name, value


def prepare(env_file: Path) -> Settings:
    """Make whatever isn't there: the .env, the directories, the secrets.

    Raises:
        StackError: this user can't, or a setting is none.
    """
    try:
        if not env_file.exists():
            write_env_file(env_file, STATE, os.environ)
        settings = read_settings(env_file)
        _check_uid(settings)
        for name in DIRECTORIES:
            _make_directory(Path(settings[name]), settings.uid)
        served = Path(settings["IMPRIMATUR_SERVING_ROOT"], settings["MODEL_NAME"])
        _make_directory(served, settings.uid)
        make_secrets(Path(settings["STACK_SECRETS"]), settings.uid)
    except OSError as error:
        raise StackError(
            f"{error}; you are {os.getuid()}. Make it, or name another place in {env_file}"
        ) from error
    return settings


def write_env_file(env_file: Path, state: Path, environment: Mapping[str, str]) -> None:
    """Write .env.example with this machine's ids, paths and processors in it.

    Args:
        env_file: what to write; appears whole.
        state: below which the directories are.
        environment: what it says of a setting of the example is written, too.
    """
    cpus = os.cpu_count() or 1
    if cpus < MIN_CPUS:
        raise StackError(f"this machine has {cpus} processor; the stack needs {MIN_CPUS}")
    own = {name: str(state / folder) for name, folder in DIRECTORIES.items()}
    own |= {"STACK_SECRETS": str(state / "secrets")}
    own |= {"AIRFLOW_UID": str(os.getuid() or AIRFLOW_UID)}
    if "AIRFLOW_PORT" in environment:
        own |= {"AIRFLOW_BASE_URL": f"http://localhost:{environment['AIRFLOW_PORT']}"}
    if SOCKET.exists():
        own |= {"DOCKER_GID": str(SOCKET.stat().st_gid)}

    def setting(match: re.Match[str]) -> str:
        name, value = match[1], match[2]
        if name.endswith("_CPUS"):  # the engine refuses more than there are
            value = str(min(int(value), cpus))
        return f"{name}={environment.get(name, own.get(name, value))}"

    text = _SETTING.sub(setting, EXAMPLE.read_text(encoding="utf-8"))
    partial = env_file.with_name(f"{env_file.name}.partial")
    partial.touch(0o600)  # addresses of notices may hold passwords
    partial.write_text(text, encoding="utf-8")
    partial.replace(env_file)


def make_secrets(directory: Path, uid: int) -> None:
    """Make each secret that isn't there, readable by `uid` alone; those that are there stay.

    Raises:
        StackError: one that is there is empty, or a URL has another password than its database.
    """
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    made = {
        "admin_password": secrets.token_urlsafe(18),
        "api_secret_key": secrets.token_urlsafe(48),
        "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "jwt_secret": secrets.token_urlsafe(48),
        "postgres_password": secrets.token_urlsafe(32),
        "redis_password": secrets.token_urlsafe(32),
    }
    kept = {name: _keep_secret(directory / name, value, uid) for name, value in made.items()}
    redis, postgres = f":{kept['redis_password']}@redis", f":{kept['postgres_password']}@postgres"
    urls = {
        "broker_url": (f"redis://{redis}:6379/0", redis),
        "result_backend": (f"redis://{redis}:6379/1", redis),
        "sql_alchemy_conn": (f"postgresql+psycopg2://airflow{postgres}/airflow", postgres),
    }
    for name, (value, ours) in urls.items():
        found = _keep_secret(directory / name, value, uid)
        host = ours.rpartition("@")[2]
        if re.search(rf"@{host}[:/]", found) and ours not in found:
            raise StackError(
                f"{directory / name} has another password than {host}_password beside it; remove "
                f"{name}, and it is written anew"
            )


def _keep_secret(path: Path, value: str, uid: int) -> str:
    """Return what the file has, after writing the value to it if there was none."""
    if not path.exists():
        # Under another name until it is whole: a file that is there is one that was used.
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(value)
            os.fsync(file.fileno())
        _give(partial, uid)
        with contextlib.suppress(FileExistsError):  # somebody else was quicker: theirs is used
            os.link(partial, path)
        partial.unlink()
    kept = path.read_text(encoding="utf-8").strip()
    if not kept:
        raise StackError(
            f"{path} is empty; write the secret that is in use to it, or, where nothing was "
            "started with it yet, remove it for a new one"
        )
    return kept


def _make_directory(path: Path, uid: int) -> None:
    if path.is_dir():
        return
    path.mkdir(parents=True)
    _give(path, uid)


def _give(path: Path, uid: int) -> None:
    if os.getuid() == 0:
        os.chown(path, uid, 0)


def _check_uid(settings: Settings) -> None:
    if settings.uid == 0:
        raise StackError("AIRFLOW_UID is 0; Airflow runs what users wrote, and never as root")
    if os.getuid() not in (0, settings.uid):
        raise StackError(
            f"AIRFLOW_UID is {settings.uid}, but you are {os.getuid()}: what you make, Airflow "
            f"couldn't read; set AIRFLOW_UID={os.getuid()} in {settings.env_file}"
        )
