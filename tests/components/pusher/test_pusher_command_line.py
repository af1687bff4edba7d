"""``python -m components.pusher`` as a person or an operator calls it."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from components import records, signing
from components.pusher.__main__ import main
from components.records import PushedModel, Refusal, Run, dump, from_json

ROOT = Path(__file__).parents[3]
KEY = b"k" * 32


@pytest.fixture
def command(capfdbinary, caplog, workshop):
    """Run it in this process: (exit code, the line on stdout, stderr and log)."""

    def run(*arguments):
        capfdbinary.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
        out, err = (stream.decode() for stream in capfdbinary.readouterr())
        lines = [] if "--help" in arguments else out.splitlines()
        assert len(lines) <= 1
        return code, json.loads(lines[0]) if lines else None, err + caplog.text

    return run


def files(workshop, model, blessings=None):
    """Write the records as the components do; return the arguments that name them."""
    directory = workshop.directory / "records"
    directory.mkdir(exist_ok=True)
    (directory / "model.json").write_text(dump(model))
    arguments = ["--model", directory / "model.json", "--base-directory", workshop.base]
    for blessing in blessings or workshop.blessings(model):
        path = directory / f"{blessing.kind}.json"
        path.write_text(dump(blessing))
        arguments += ["--blessing", path]
    return arguments


def test_push_prints_the_record_as_its_last_line(command, workshop):
    run = json.dumps({"dag_id": "d", "run_id": "r", "task_id": "t"})
    code, out, err = command("push", *files(workshop, workshop.model()), "--run", run)

    pushed = from_json(out)
    assert code == 0
    assert isinstance(pushed, PushedModel)
    assert pushed.run == Run("d", "r", "t")
    assert "live: 20130201000000" in err


def test_a_refusal_is_exit_3_with_its_record_and_reason(command, workshop):
    arguments = files(workshop, workshop.model())[:-2]
    code, out, err = command("push", *arguments)

    assert (code, from_json(out).check) == (3, "blessing_missing")
    assert "no infra blessing" in err


def test_pushing_what_is_live_is_exit_0(command, workshop):
    arguments = files(workshop, workshop.model())
    command("push", *arguments)

    code, out, _ = command("push", *arguments)

    assert (code, out["outcome"]) == (0, "already_live")


def test_changed_bytes_are_exit_2_and_print_no_record(command, workshop):
    model = workshop.model()
    arguments = files(workshop, model)
    (Path(model.uri) / "saved_model.pb").write_text("x")

    code, out, err = command("push", *arguments)

    assert (code, out) == (2, None)
    assert "train again" in err


def test_a_folder_that_is_a_file_is_exit_1(command, workshop):
    workshop.base.write_text("")

    code, out, err = command("push", *files(workshop, workshop.model()))

    assert (code, out) == (1, None)
    assert "is a file" in err


def test_a_malformed_blessing_is_a_verdict_and_no_file_a_wrong_usage(command, workshop):
    arguments = files(workshop, workshop.model())
    (workshop.directory / "records" / "infra.json").write_text('{"type": "Blessing"}')
    code, out, _ = command("push", *arguments)
    assert (code, from_json(out).check) == (3, "not_blessed")

    (workshop.directory / "records" / "infra.json").unlink()
    code, out, err = command("push", *arguments)
    assert (code, out) == (2, None)
    assert "give the path of its record.json" in err


def test_records_may_be_given_as_json(command, workshop):
    model = workshop.model()
    arguments = ["--model", dump(model), "--base-directory", workshop.base]
    for blessing in workshop.blessings(model):
        arguments += ["--blessing", dump(blessing)]

    assert command("push", *arguments)[0] == 0


def test_a_bare_directory_needs_a_window_or_a_version(command, workshop):
    model = workshop.model()
    arguments = files(workshop, model)
    arguments[1] = model.uri

    code, _, err = command("push", *arguments)
    assert code == 2
    assert "--window START/END or --version NUMBER" in err

    code, out, _ = command("push", *arguments, "--window", "2013-01-01/2013-02-01")
    assert (code, out["version"]) == (0, "20130201000000")


def test_a_bare_directory_may_be_given_a_version(command, workshop):
    model = workshop.model()
    arguments = files(workshop, model)
    arguments[1] = model.uri

    code, out, _ = command("push", *arguments, "--version", "7")

    assert (code, out["version"], out["window"]) == (0, "7", None)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["--window", "2013-01-01/2013-02-01"], "a Model record has its own"),
        (["--version", "0"], "version is '0'"),
        (["--keep-versions", "1"], "keep_versions is 1"),
        (["--required-kind", "luck"], "required_kinds is"),
        (["--confirm", "{}"], "confirm is {}"),
        (["--confirm", "nonsense"], "isn't JSON"),
        (["--reevaluate-with", '{"examples": 1}'], "reevaluate_with has"),
    ],
)
def test_wrong_usage_is_exit_2(command, workshop, extra, message):
    code, out, err = command("push", *files(workshop, workshop.model()), *extra)

    assert (code, out) == (2, None)
    assert message in err


def test_a_record_of_something_else_is_no_model(command, workshop):
    arguments = files(workshop, workshop.model())
    arguments[1] = arguments[-1]

    code, _, err = command("push", *arguments)

    assert code == 2
    assert "holds a Blessing; expected a Model" in err


def test_options_reach_the_pusher(command, workshop):
    workshop.publish(3)
    older = workshop.model("older", 2)
    arguments = files(workshop, older, [workshop.bless(older)])

    refused = command("push", *arguments, "--required-kind", "evaluation")
    pushed = command("push", *arguments, "--required-kind", "evaluation", "--allow-older")

    assert refused[1]["findings"][0]["check"] == "older_than_live"
    assert pushed[0] == 0


def test_the_record_is_written_to_the_output_directory(command, workshop):
    output = workshop.directory / "out" / "push"

    command("push", *files(workshop, workshop.model()), "--output-dir", output)
    assert records.load(output / "record.json").outcome == "pushed"
    command("push", *files(workshop, workshop.model(), []), "--output-dir", output)
    assert records.load(output / "record.json").outcome == "already_live"


def test_with_a_key_in_the_environment_blessings_must_be_signed(command, workshop, monkeypatch):
    model = workshop.model()
    text = base64.b64encode(KEY).decode()
    monkeypatch.setattr(signing, "close_proc", lambda: None)

    monkeypatch.setenv(signing.KEY_VARIABLE, text)
    assert command("push", *files(workshop, model))[1]["findings"][0]["check"] == "bad_signature"
    assert signing.KEY_VARIABLE not in os.environ

    monkeypatch.setenv(signing.KEY_VARIABLE, text)
    signed = [signing.sign(blessing, KEY) for blessing in workshop.blessings(model)]
    assert command("push", *files(workshop, model, signed))[0] == 0

    monkeypatch.setenv(signing.KEY_VARIABLE, "short")
    code, _, err = command("push", *files(workshop, model))
    assert code == 2
    assert "openssl rand -base64 32" in err


def test_rollback(command, workshop):
    workshop.publish(2, 3)

    code, out, _ = command("rollback", workshop.base, "--reason", "errors doubled", "--by", "ada")

    assert (code, out["version"]) == (0, "20130201000000")
    hold = workshop.folder.hold()
    assert (hold.by, "errors doubled" in hold.reason) == ("ada", True)


def test_rollback_without_hold(command, workshop):
    workshop.publish(2, 3)

    command("rollback", workshop.base, "--reason", "x", "--no-hold")

    assert workshop.folder.hold() is None


def test_rollback_of_another_than_the_live_version_is_exit_3(command, workshop):
    workshop.publish(2, 3)

    code, out, err = command(
        "rollback", workshop.base, "--reason", "x", "--from-version", "20130201000000"
    )

    assert (code, from_json(out).check) == (3, "live_changed")
    assert "20130301000000 is live" in err


def test_rollback_of_the_last_version_is_exit_3(command, workshop):
    workshop.publish(2)

    code, out, _ = command("rollback", workshop.base, "--reason", "x")

    assert code == 3
    assert isinstance(from_json(out), Refusal)


def test_rollback_needs_a_reason(command, workshop):
    workshop.publish(2, 3)

    code, _, err = command("rollback", workshop.base)

    assert code == 2
    assert "--reason" in err


def test_a_person_is_named_by_their_account(command, workshop, monkeypatch):
    monkeypatch.setenv("LOGNAME", "grace")
    workshop.publish(2, 3)

    command("rollback", workshop.base, "--reason", "x")

    assert workshop.folder.hold().by == "grace"


def test_status_is_a_table_for_people_and_json_for_programs(command, workshop):
    workshop.publish(2, 3)

    code, out, err = command("status", workshop.base)

    assert (code, out["type"], out["live_version"]) == (0, "FolderStatus", "20130301000000")
    assert "live" in err
    assert "20130201000000" in err


def test_hold_resume_release_pin(command, workshop):
    workshop.publish(2, 3)

    assert command("hold", workshop.base, "--reason", "later")[1]["hold"]["reason"] == "later"
    assert command("resume", workshop.base)[1]["hold"] is None
    pinned = command("pin", workshop.base, "20130201000000", "--reason", "audit")[1]
    assert pinned["pins"][0]["reason"] == "audit"
    assert command("pin", workshop.base, "20130201000000", "--remove")[1]["pins"] == []
    command("rollback", workshop.base, "--reason", "x")
    assert command("release", workshop.base, "20130301000000")[1]["quarantine"] == []
    code, _, err = command("release", workshop.base, "20130301000000")
    assert code == 2
    assert "isn't in quarantine" in err


def test_lint_is_exit_3_if_it_finds_something(command, workshop):
    workshop.publish(2)
    assert command("lint", workshop.base)[0] == 0
    (workshop.base / "42").write_text("")

    code, out, err = command("lint", workshop.base)

    assert (code, out["findings"][0]["check"]) == (3, "accidental_version")
    assert "accidental_version: " in err


def test_a_lock_that_is_not_to_be_had_is_exit_1(command, workshop):
    from components.pusher.lock import locked

    workshop.publish(2)
    program = [sys.executable, "-m", "components.pusher", "hold", str(workshop.base)]
    with locked(workshop.base):
        done = subprocess.run(
            [*program, "--reason", "x", "--lock-timeout-seconds", "0"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.returncode == 1
    assert "has held the lock" in done.stderr


def test_it_loads_nothing_heavy():
    code = (
        "import sys; from components.pusher.__main__ import main\n"
        "import components.pusher.confirmation\n"
        "heavy = {'tensorflow', 'airflow', 'docker', 'fsspec', 'model_signing'}\n"
        "assert not heavy & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize(
    "verb", ["push", "rollback", "release", "hold", "resume", "pin", "status", "lint"]
)
def test_each_verb_has_help(command, verb):
    code, _, _ = command(verb, "--help")

    assert code == 0


def test_no_verb_and_an_unknown_one_are_wrong_usage(command):
    assert command()[0] == 2
    assert command("publish")[0] == 2


def test_a_truncated_blessing_is_refused_as_any_other(command, workshop):
    arguments = files(workshop, workshop.model())
    path = workshop.directory / "records" / "infra.json"
    path.write_text(path.read_text()[:200])

    code, out, _ = command("push", *arguments)

    assert (code, from_json(out).check) == (3, "not_blessed")
    assert not workshop.base.exists()


@pytest.mark.parametrize("verb", ["status", "lint"])
def test_a_folder_that_does_not_exist_has_no_status(command, workshop, verb):
    code, _, err = command(verb, workshop.base)

    assert code == 2
    assert "there is no serving folder" in err
