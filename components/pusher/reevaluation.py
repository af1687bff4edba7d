"""Judges a candidate again, against what is live now, in a child process outside the lock."""

import dataclasses
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components import parent_death, records, signing
from components.errors import (
    EXIT_REFUSED,
    EXIT_USAGE,
    ConfigurationError,
    PushError,
    RecordError,
)
from components.pusher.request import PushRequest
from components.records import Blessing

MAX_ROUNDS = 3
EVALUATOR = (sys.executable, "-m", "components.evaluator")
_log = logging.getLogger(__name__)


def renew(request: PushRequest, stale: Blessing) -> PushRequest:
    """Return the request with the stale evaluation replaced by a new one on the same inputs.

    Raises:
        ConfigurationError: the evaluator refuses its arguments, or the inputs are others.
        PushError: the evaluator failed.
    """
    _log.info("what is live changed since the evaluation: evaluating again")
    renewed = _evaluate(request, request.options.reevaluate_with or {})
    if renewed.inputs != stale.inputs:
        raise ConfigurationError(
            f"reevaluate_with names other inputs than the evaluation had: {renewed.inputs} instead "
            f"of {stale.inputs}; give the same examples and eval_config"
        )
    key = request.options.signing_key
    renewed = dataclasses.replace(renewed, run=stale.run, report_uri=None)
    renewed = renewed if key is None else signing.sign(renewed, key)
    kept = tuple(renewed if blessing is stale else blessing for blessing in request.blessings)
    return dataclasses.replace(request, blessings=kept)


def _evaluate(request: PushRequest, inputs: Mapping[str, Any]) -> Blessing:
    if request.model is None:
        raise ConfigurationError("reevaluate_with needs the model that was evaluated; give model")
    with tempfile.TemporaryDirectory(prefix="imprimatur-") as directory:
        command = [
            *EVALUATOR,
            *("--model", records.dump(request.model)),
            *("--examples", _as_argument(inputs["examples"])),
            *("--eval-config", _as_argument(inputs["eval_config"])),
            *("--baseline", str(request.base_directory)),
            *("--output-dir", str(Path(directory) / "evaluation")),
        ]
        for name in ("first_run", "missing_slice"):
            if inputs.get(name) is not None:
                command += ["--" + name.replace("_", "-"), str(inputs[name])]
        if inputs.get("without_thresholds"):
            command += ["--without-thresholds"]
        for split in inputs.get("example_splits") or ():
            command += ["--example-splits", str(split)]
        return _run(command)


def _run(command: list[str]) -> Blessing:
    environment = {
        **{name: value for name, value in os.environ.items() if name != signing.KEY_VARIABLE},
        **parent_death.announcement(),
    }
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False, text=True)
    if done.returncode == EXIT_USAGE:
        raise ConfigurationError("the evaluator refused what reevaluate_with names; see above")
    if done.returncode not in (0, EXIT_REFUSED):
        raise PushError(f"the evaluation for this push ended with exit code {done.returncode}")
    last = done.stdout.rstrip("\n").rpartition("\n")[2]
    try:
        return Blessing.from_json(json.loads(last))
    except (ValueError, RecordError) as error:
        raise PushError(
            f"the evaluation for this push left no blessing as its last line: {error}"
        ) from error


def _as_argument(value: Any) -> str:
    """A record, a JSON object, or a path, as a command line takes it."""
    if isinstance(value, records.Examples):
        return records.dump(value)
    return json.dumps(value) if isinstance(value, Mapping) else str(value)
