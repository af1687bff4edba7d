"""The log of a command line as JSON: a real process, whose every line is read by a JSON parser."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from components import records
from tests.components.record_samples import MODEL
from tests.components.test_command_line import run_program

LOGGED = """
import logging
logging.getLogger("a.b").warning("careful: %s\\nindeed", 1)
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("a").exception("broke")
return MODEL
"""
PRINTED = """
print("on its way")
print("WARNING tensorflow: as a log")
print("no", end="")
print(" end", end="")
sys.stderr.write("by stderr\\n\\n")
return MODEL
"""


def logged(body: str, *arguments: str) -> list[dict[str, Any]]:
    result = run_program(body, *arguments, IMPRIMATUR_LOG_FORMAT="json")
    return [json.loads(line) for line in result.stderr.splitlines()]


def test_a_record_is_an_object_with_airflows_keys() -> None:
    warning, error = logged(LOGGED)
    at = datetime.fromisoformat(warning.pop("timestamp"))
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=5)
    assert warning == {"level": "warning", "event": "careful: 1\nindeed", "logger": "a.b"}
    assert (error["level"], error["event"]) == ("error", "broke")
    assert error["exception"].endswith("ZeroDivisionError: division by zero")


def test_the_result_on_stdout_stays_what_it_is() -> None:
    result = run_program(PRINTED, IMPRIMATUR_LOG_FORMAT="json")
    assert result.returncode == 0
    assert records.load(result.stdout) == MODEL


def test_what_is_printed_becomes_objects_too() -> None:
    seen = [(line["level"], line["logger"], line["event"]) for line in logged(PRINTED)]
    assert seen == [
        ("info", "stdout", "on its way"),
        ("warning", "tensorflow", "as a log"),
        ("info", "stderr", "by stderr"),
        ("info", "stdout", "no end"),
    ]


def test_an_error_that_nobody_expected_is_one_object() -> None:
    (error,) = logged("raise RuntimeError('a bug')")
    assert (error["level"], error["event"]) == ("critical", "RuntimeError: a bug")
    assert error["exception"].startswith("Traceback (most recent call last):")


def test_wrong_usage_is_an_error() -> None:
    *_, last = logged("return MODEL", "--what")
    assert last["level"] == "error"
    assert "unrecognized arguments: --what" in last["event"]


def test_a_process_that_this_one_starts_writes_text() -> None:
    body = "print(os.environ.get('IMPRIMATUR_LOG_FORMAT')); return MODEL"
    (line,) = logged(body)
    assert line["event"] == "None"


@pytest.mark.parametrize("given", ["", "text"])
def test_text_is_the_default(given: str) -> None:
    body = "import logging; logging.getLogger('a').info('plain'); return MODEL"
    assert run_program(body, IMPRIMATUR_LOG_FORMAT=given).stderr == "INFO a: plain\n"


def test_another_format_is_wrong_usage() -> None:
    result = run_program("return MODEL", IMPRIMATUR_LOG_FORMAT="xml")
    assert result.returncode == 2
    assert "IMPRIMATUR_LOG_FORMAT is 'xml'; expected 'text' or 'json'" in result.stderr
