"""A known-good model, to tell a bad model from a bad place to serve it.

Where a server fails and it can't be told why, this one is started the same way: if it isn't served
either, the infrastructure was at fault.
"""

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from components.errors import PredictionError, ServerUnavailableError, ServingError
from components.infra_validator import control_model_child
from components.infra_validator.candidate import let_all_read
from components.infra_validator.offline import child_environment
from components.infra_validator.server_fault import last_lines, quote_log
from components.model_server import RunningServer, wait_until_available
from components.model_server.client import Deadline
from components.model_server.tensor_codec import strings

StartServer = Callable[[Path], RunningServer]
"""Starts a server on a folder of versions."""
_BUILD_SECONDS = 300.0
_ROWS = [b"", b"abc"]
_log = logging.getLogger(__name__)


class ControlModel:
    """The model, built when it is asked for and kept.

    Args:
        work: a directory that outlives it; must not exist yet.
    """

    def __init__(self, work: Path) -> None:
        self._work = work

    def base_path(self) -> Path:
        """Return a folder of versions with the model in it.

        Raises:
            ServerUnavailableError: TensorFlow can't build it here.
        """
        base = self._work / "versions"
        if not base.is_dir():
            self._build(base)
        return base

    def _build(self, base: Path) -> None:
        self._work.mkdir(exist_ok=True)
        log_path = self._work / "build.log"
        staging = self._work / "building"
        command = [sys.executable, "-P", "-m", control_model_child.__name__, str(staging / "1")]
        try:
            with log_path.open("wb") as log:
                subprocess.run(
                    command,
                    env=child_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    process_group=0,
                    timeout=_BUILD_SECONDS,
                    check=True,
                )
        except (OSError, subprocess.SubprocessError) as error:
            raise ServerUnavailableError(
                f"no known-good model can be built to compare with: {error}{quote_log(log_path)}"
            ) from error
        let_all_read(staging)
        staging.rename(base)


def check_infrastructure(
    control: ControlModel,
    start: StartServer,
    *,
    model_name: str,
    max_loading_seconds: float,
    max_request_seconds: float,
    suspicion: str,
) -> None:
    """Have the known-good model served and asked the way another one failed.

    Args:
        control: the known-good model.
        start: starts the server.
        model_name: what the server calls it.
        max_loading_seconds: as the other was given.
        max_request_seconds: as the other was given.
        suspicion: how the other failed, for the message.

    Raises:
        ServerUnavailableError: it isn't served either.
    """
    _log.warning(
        "can't tell yet whose fault this is, so a known-good model is served the same way: %s",
        suspicion,
    )
    server = start(control.base_path())
    try:
        _ask(server, model_name, max_loading_seconds, max_request_seconds)
    except ServingError as error:
        for line in last_lines(server.log_path, 20):
            _log.info("known-good model's server: %s", line)
        reason = "it takes more memory than was given" if server.out_of_memory() else error
        raise ServerUnavailableError(
            "a known-good model isn't served either, so it is the place and not the model: "
            f"{reason}. What failed first: {suspicion}"
        ) from error
    finally:
        server.stop()


def _ask(
    server: RunningServer, model_name: str, max_loading_seconds: float, max_request_seconds: float
) -> None:
    client = wait_until_available(server, model_name, Deadline.after(max_loading_seconds))
    with client:
        client.signatures(Deadline.after(max_request_seconds))
        inputs = {control_model_child.INPUT: strings(_ROWS)}
        answer = client.predict(
            control_model_child.SIGNATURE, inputs, Deadline.after(max_request_seconds)
        )
    lengths = answer[control_model_child.OUTPUT].tolist()
    if lengths != [len(row) for row in _ROWS]:
        raise PredictionError(f"a known-good model answered {lengths}")
