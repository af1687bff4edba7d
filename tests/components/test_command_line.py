"""What all command lines share, seen from outside: a real process each time it matters."""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components import command_line, errors, records
from tests.components.record_samples import BLESSING, MODEL, RECORDS, RUN

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = """
import argparse, ctypes, os, subprocess, sys
from components import command_line, errors, records
from tests.components.record_samples import BLESSING, MODEL, RECORDS

parser = argparse.ArgumentParser(prog="program")
parser.add_argument("--model", type=command_line.record(records.Model))
parser.add_argument("--args", type=command_line.json_object)
command_line.add_run_argument(parser)

def execute(arguments):
{body}

sys.exit(command_line.run(parser, execute))
"""


def run_program(
    body: str, *arguments: str, **environment: str
) -> "subprocess.CompletedProcess[str]":
    indented = "\n".join("    " + line for line in body.splitlines())
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(body=indented), *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONUNBUFFERED": "", **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def test_prints_the_record_as_the_only_line_of_stdout() -> None:
    result = run_program("return MODEL")

    assert result.returncode == 0
    assert records.load(result.stdout) == MODEL
    assert result.stdout.splitlines() == [result.stdout.rstrip("\n")]


CHATTER = """
print("by print")
sys.stdout.write("without a line end")
os.write(1, b"by write\\n")
ctypes.CDLL(None).puts(b"by libc")
ctypes.CDLL(None).printf(b"by libc, without a line end")
subprocess.run(["echo", "by a child"])
subprocess.run(["sh", "-c", "echo 'by a grandchild in the background' & wait"])
return MODEL
"""


def test_keeps_stdout_free_of_whatever_others_print() -> None:
    result = run_program(CHATTER)

    assert result.returncode == 0
    assert records.load(result.stdout) == MODEL
    for source in ("print", "write", "libc", "libc, without a line end", "a child", "a grandchild"):
        assert f"by {source}" in result.stderr
    assert "without a line end" in result.stderr


def test_writes_utf8_whatever_the_locale_says() -> None:
    result = run_program(CHATTER, LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="ascii")

    assert records.load(result.stdout) == MODEL


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("return MODEL", 0),
        ("return BLESSING", 0),
        ("return RECORDS[7]", 0),
        ("import dataclasses; return dataclasses.replace(BLESSING, blessed=False)", 3),
        ("return RECORDS[8]", 3),
        ("raise errors.ConfigurationError('e')", 2),
        ("raise errors.RecordError('e')", 2),
        ("raise errors.ArtifactError('e')", 2),
        ("raise errors.InvalidModelError('e')", 2),
        ("raise errors.DataError('e')", 2),
        ("raise errors.TrainingError('e')", 1),
        ("raise errors.ServerDiedError('e', -11)", 1),
        ("raise errors.PushError('e')", 1),
        ("raise OSError(28, 'No space left on device')", 1),
        ("raise MemoryError", 1),
        ("raise RuntimeError('a bug')", 1),
    ],
)
def test_ends_with_the_documented_exit_code(body: str, code: int) -> None:
    result = run_program(body)

    assert result.returncode == code
    lines = result.stdout.splitlines()
    if code in (0, 3):
        assert records.load(lines[-1])
    else:
        assert lines == []
        assert result.stderr


def test_an_expected_error_is_a_line_and_no_traceback() -> None:
    result = run_program("raise errors.DataError('the column x is missing')")

    assert result.stderr == "ERROR components.command_line: the column x is missing\n"


def test_the_traceback_of_an_expected_error_is_there_for_who_asks() -> None:
    body = "raise errors.DataError('the column x is missing')"

    assert "Traceback" in run_program(body, IMPRIMATUR_LOG_LEVEL="debug").stderr


def test_an_unexpected_error_shows_its_traceback() -> None:
    result = run_program("raise OSError(28, 'No space left on device')")

    assert "Traceback" in result.stderr
    assert result.stderr.endswith(
        "ERROR components.command_line: OSError: [Errno 28] No space left on device\n"
    )


def test_logs_begin_with_their_level() -> None:
    body = "import logging; logging.getLogger('a.b').warning('careful: %s', 1); return MODEL"

    assert run_program(body).stderr == "WARNING a.b: careful: 1\n"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--what"], "unrecognized arguments: --what"),
        (["--model", "missing.json"], "argument --model: no record can be read from"),
        (["--model", '{"type": "Model"'], "argument --model: .* isn't JSON"),
        (["--args", "[]"], r"argument --args: '\[\]' isn't a JSON object; expected"),
        (["--args", "{nope"], "argument --args: '{nope' isn't JSON"),
        (["--args", '{"rate": NaN}'], "argument --args: NaN is no JSON; expected a finite"),
        (["--run", "{}"], r"argument --run: Run\.dag_id is missing"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_names_the_argument(
    arguments: list[str], reason: str
) -> None:
    result = run_program("raise AssertionError('must not come here')", *arguments)

    assert result.returncode == 2
    assert result.stdout == ""
    assert re.search(reason, result.stderr)


def test_refuses_a_record_of_another_type() -> None:
    read = command_line.record(records.Model, records.Examples)

    assert read(records.dump(MODEL)) == MODEL
    assert read(records.dump(RECORDS[0])) == RECORDS[0]
    with pytest.raises(Exception, match="holds a Blessing; expected Model or Examples"):
        read(records.dump(BLESSING))


def test_reads_the_run_that_asks() -> None:
    result = run_program(
        "return records.PushedModel(**{**vars(RECORDS[7]), 'run': arguments.run})",
        "--run",
        json.dumps(RUN.to_json()),
    )

    assert json.loads(result.stdout)["run"] == RUN.to_json()


@pytest.mark.parametrize("text", ["2013-01-01/2013-02-01", "2013-01-01T00:00:00Z/2013-02-01"])
def test_reads_a_window(text: str) -> None:
    assert command_line.window(text) == records.Window("2013-01-01", "2013-02-01")


class Report:
    """What a command of its own may return."""

    exit_code = 3

    def to_json(self) -> dict[str, Any]:
        return {"type": "Report"}


def test_a_result_of_another_type_may_bring_its_exit_code() -> None:
    assert command_line.verdict_code(Report()) == 3
    assert command_line.verdict_code(MODEL) == errors.EXIT_DONE


def test_stdout_is_back_after_the_command(capfd: pytest.CaptureFixture[str]) -> None:
    code = command_line.run(argparse.ArgumentParser(), lambda _: MODEL, [])
    os.write(1, b"after\n")

    out = capfd.readouterr().out.splitlines()
    assert code == 0
    assert records.load(out[0]) == MODEL
    assert out[1:] == ["after"]


def test_an_output_directory_that_holds_an_input_is_refused(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "input").write_text("kept")
    parser = argparse.ArgumentParser()
    parser.add_argument("--model")
    command_line.add_output_argument(parser)
    arguments = ["--model", str(tmp_path / "model" / "input"), "--output-dir"]
    never = pytest.fail

    assert command_line.run(parser, never, [*arguments, str(tmp_path / "model")]) == 2
    assert (tmp_path / "model" / "input").read_text() == "kept"


def test_sigterm_removes_what_is_half_written(tmp_path):
    script = (
        "import argparse, os, signal\n"
        "from components import artifacts, command_line\n"
        "def execute(arguments):\n"
        f"    with artifacts.new_directory({str(tmp_path / 'out')!r}) as staging:\n"
        "        (staging / 'half').write_text('x')\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "command_line.run(argparse.ArgumentParser(), execute, [])\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)

    assert ended.returncode == 128 + 15
    assert list(tmp_path.iterdir()) == []
