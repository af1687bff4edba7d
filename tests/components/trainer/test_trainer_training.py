"""`train` runs a user's code in a process of its own, and says what went wrong there.

The modules here end before TensorFlow would be imported, so each process takes a fraction of a
second; models that are really trained are in tests/models.
"""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from components import artifacts, records
from components.errors import ArtifactError, ConfigurationError, DataError, TrainingError
from components.errors import InvalidModelError as Invalid
from components.records import Model
from components.trainer import __main__ as command
from components.trainer import train

REPORT = """
    import json, os, sys
    def run_fn(fn_args):
        seen = {**vars(fn_args), "data_accessor": fn_args.data_accessor._fields}
        state = {
            "fn_args": seen, "path": sys.path, "argv": sys.argv, "environment": dict(os.environ),
            "tensorflow": "tensorflow" in sys.modules, "stdin": sys.stdin.read(),
            "run_dir": os.path.isdir(fn_args.model_run_dir),
            "model_dir": os.path.exists(fn_args.serving_model_dir),
        }
        open(fn_args.custom_config["report"], "w").write(json.dumps(state))
        raise RuntimeError("reported")
"""


STOPPED = """
    import os, time
    def run_fn(fn_args):
        if '"index": 1' in os.environ.get("TF_CONFIG", ""):
            time.sleep(60)  # the first worker claims the run folder, and ends this one
        raise RuntimeError("stopped")
"""


@pytest.fixture
def attempt(tmp_path, examples):
    """Train with a module; afterwards there must be no trace of a model."""
    output_dir = tmp_path / "models" / "out"

    def attempt(module_file, **arguments):
        try:
            return train(
                **{
                    "module_file": module_file,
                    "examples": examples,
                    "output_dir": output_dir,
                    **arguments,
                }
            )
        finally:
            left = list(output_dir.parent.iterdir()) if output_dir.parent.exists() else []
            assert left == []

    return attempt


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("x = 1", ConfigurationError, r"taxi\.py' has no function run_fn; write run_fn"),
        ("def trainer_fn(a, b): pass", ConfigurationError, r"trainer_fn.*Estimators.*write run_fn"),
        ("run_fn = 3", ConfigurationError, r"has no function run_fn"),
        ("def run_fn(:", ConfigurationError, r"can't be imported: SyntaxError: .*line 1"),
        ("import no_such_thing", ConfigurationError, r"ModuleNotFoundError: .*'no_such_thing'"),
        ("1 / 0", TrainingError, r"importing it raised ZeroDivisionError: division by zero"),
        ("def run_fn(a): {}['lr']", TrainingError, r"run_fn raised KeyError: 'lr' \(in '"),
        ("import sys\ndef run_fn(a): sys.exit(4)", TrainingError, "run_fn raised SystemExit: 4"),
        ("import os\ndef run_fn(a): os._exit(5)", TrainingError, "exit code 5 and left no result"),
    ],
)  # fmt: skip
def test_names_what_is_wrong_with_a_module(attempt, write_module, source, error, message):
    with pytest.raises(error, match=message):
        attempt(write_module(source))


@pytest.mark.parametrize(
    ("name", "meaning"),
    [("SIGKILL", "ran out of memory"), ("SIGSEGV", "native code crashed"), ("SIGUSR1", "")],
)
def test_explains_a_process_that_was_killed(attempt, write_module, name, meaning):
    source = f"import os, signal\ndef run_fn(a): os.kill(os.getpid(), signal.{name})"
    with pytest.raises(TrainingError, match=f"ended by {name}.*{meaning}"):
        attempt(write_module(source))


def test_shows_the_users_traceback_and_output(attempt, write_module, capsys):
    source = "def inner():\n    raise OSError('disk on fire')\n\ndef run_fn(a):\n"
    path = write_module(source + "    print('epoch 1')\n    inner()\n")
    with pytest.raises(TrainingError, match="run_fn raised OSError: disk on fire"):
        attempt(path)
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.splitlines()
    begin = lines.index("Traceback (most recent call last):")
    assert "epoch 1" in lines[:begin]
    assert lines[begin + 1].strip() == f'File "{path}", line 6, in run_fn'
    assert lines[-1] == "OSError: disk on fire"


def test_hands_over_fn_args_in_a_clean_process(
    attempt, write_module, examples, tmp_path, monkeypatch
):
    monkeypatch.setenv("IMPRIMATUR_SIGNING_KEY", "c2VjcmV0")
    report = tmp_path / "report.json"
    path = write_module(REPORT)
    with pytest.raises(TrainingError, match="reported"):
        attempt(
            path,
            train_args={"num_steps": 3},
            hyperparameters={"units": 4},
            custom_config={"report": str(report)},
        )
    seen = json.loads(report.read_text())
    assert seen["fn_args"]["train_files"] == [f"{examples.uri}/Split-train/*"]
    assert seen["fn_args"]["hyperparameters"] == {"space": [], "values": {"units": 4}}
    assert (seen["fn_args"]["train_steps"], seen["fn_args"]["eval_steps"]) == (3, None)
    assert "tf_dataset_factory" in seen["fn_args"]["data_accessor"]
    assert seen["path"][-1] == str(path.parent)
    assert seen["argv"] == [str(path)]
    assert seen["environment"]["TF_USE_LEGACY_KERAS"] == "0"
    assert "IMPRIMATUR_SIGNING_KEY" not in seen["environment"]
    assert "IMPRIMATUR_PARENT_PID" not in seen["environment"]
    assert (seen["run_dir"], seen["model_dir"]) == (True, False)
    assert (seen["tensorflow"], seen["stdin"]) == (False, "")


def test_imports_what_lies_beside_the_module_but_not_over_installed_packages(
    attempt, write_module, monkeypatch
):
    write_module("VALUE = 'from beside'", "features.py")
    write_module("raise RuntimeError('the wrong numpy')", "numpy.py")
    source = """
        import features
        import numpy
        def run_fn(fn_args):
            raise RuntimeError(f"{features.VALUE}, {numpy.array([1]).sum()}")
    """
    path = write_module(source)
    monkeypatch.chdir(path.parent)
    with pytest.raises(TrainingError, match="RuntimeError: from beside, 1"):
        attempt(path)


def test_takes_a_dotted_module(attempt, write_module, monkeypatch):
    path = write_module("def run_fn(a): raise RuntimeError(__name__)", "dotted_taxi.py")
    monkeypatch.setenv("PYTHONPATH", str(path.parent.parent))
    with pytest.raises(TrainingError, match=r"RuntimeError: user\.dotted_taxi"):
        attempt("user.dotted_taxi")


def test_refuses_a_module_that_is_not_there(attempt):
    with pytest.raises(ConfigurationError, match=r"module file 'no/such\.py' doesn't exist"):
        attempt("no/such.py")
    with pytest.raises(ConfigurationError, match=r"no module 'no_such\.package'"):
        attempt("no_such.package")


def test_refuses_a_module_that_would_take_anothers_place(attempt, write_module):
    with pytest.raises(ConfigurationError, match=r"name of another module, 'json'.*rename"):
        attempt(write_module("def run_fn(a): pass", "json.py"))


def test_refuses_a_symlink_in_the_modules_folder(attempt, write_module):
    path = write_module("def run_fn(a): pass")
    (path.parent / "link").symlink_to("/nowhere")
    with pytest.raises(ArtifactError, match=r"'link'.*symbolic link"):
        attempt(path)


def test_refuses_examples_that_have_changed(attempt, write_module, examples):
    (Path(examples.uri) / "Split-train" / "more").write_bytes(b"!")
    with pytest.raises(DataError, match="changed; generate them again"):
        attempt(write_module("def run_fn(a): pass"))


def test_says_that_nothing_is_live_to_start_from(attempt, write_module, tmp_path, caplog):
    with pytest.raises(TrainingError, match="reached"):
        attempt(write_module("def run_fn(a): 1 / len('') if a.base_model else reached"),
                base_model=tmp_path / "typo")  # fmt: skip
    (warning,) = [one for one in caplog.records if one.levelname == "WARNING"]
    assert warning.message == (f"starting from scratch: nothing is live in {tmp_path / 'typo'}")


def test_refuses_to_start_from_a_folder_of_something_else(attempt, write_module, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rows.csv").write_text("a,b")
    with pytest.raises(ConfigurationError, match=r"holds \['rows\.csv'\]; expected a SavedModel"):
        attempt(write_module("def run_fn(a): pass"), base_model=tmp_path / "data")


@pytest.mark.parametrize(
    "change", [{"deterministic": True}, {"process": {"num_workers": 2}}, {"serving_examples": 1}]
)
def test_a_retry_of_another_training_starts_afresh(examples, write_module, tmp_path, change):
    run = records.Run("dag", "run", "trainer", -1, 1)
    path = write_module(STOPPED)
    if "serving_examples" in change:
        change = {"serving_examples": replace(examples, digest="sha256:raw")}
    for more in ({}, {}, change):
        with pytest.raises(TrainingError, match="stopped"):
            train(module_file=path, examples=examples, output_dir=tmp_path / "task" / "1",
                  run=run, **more)  # fmt: skip
    assert len([one for one in (tmp_path / "task").glob(".model_run-*") if one.is_dir()]) == 2


def test_refuses_a_base_model_that_has_changed(attempt, write_module, tmp_path):
    (tmp_path / "base").mkdir()
    base = Model(str(tmp_path / "base"), "sha256:0", 1)
    with pytest.raises(Invalid, match=r"the baseline in .*something changed it"):
        attempt(write_module("def run_fn(a): pass"), base_model=base)


def test_leaves_an_earlier_model_in_place(write_module, examples, tmp_path):
    earlier = tmp_path / "out"
    earlier.mkdir()
    artifacts.write_record(examples, earlier)
    with pytest.raises(TrainingError):
        train(
            module_file=write_module("def run_fn(a): 1 / 0"),
            examples=examples,
            output_dir=earlier,
        )
    assert [path.name for path in earlier.iterdir()] == ["record.json"]


def test_dies_with_its_parent(write_module, examples, tmp_path):
    alive = tmp_path / "alive"
    path = write_module(
        f"""
        import os, signal
        def run_fn(fn_args):
            with open({str(alive)!r} + ".new", "w") as file:
                file.write(str(os.getpid()))
            os.rename({str(alive)!r} + ".new", {str(alive)!r})
            while True:
                signal.pause()
        """
    )
    arguments = ["--module-file", str(path), "--examples", records.dump(examples)]
    parent = subprocess.Popen(
        [sys.executable, "-m", "components.trainer", *arguments, "--output-dir", tmp_path / "out"],
        cwd=Path(command.__file__).parents[2],
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(alive.exists)
        child = int(alive.read_text())
        os.kill(child, 0)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    wait_until(lambda: not is_running(child))


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [
        ("--hyperparameters", "[1]", "isn't a JSON object"),
        ("--hyperparameters", "{", "isn't JSON"),
        ("--hyperparameters", "no.json", "no record can be read from 'no.json'"),
        ("--train-args", "5", "isn't a JSON object"),
        ("--examples", "no.json", "no record can be read from 'no.json'"),
    ],
)
def test_wrong_usage_ends_with_2_and_names_the_flag(
    examples, tmp_path, capsys, flag, value, message
):  # fmt: skip
    required = {
        "--module-file": "m.py",
        "--examples": records.dump(examples),
        "--output-dir": str(tmp_path / "out"),
    }
    arguments = [part for pair in {**required, flag: value}.items() for part in pair]
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    shown = capsys.readouterr().err
    assert flag in shown
    assert message in shown


@pytest.mark.parametrize("is_record", [True, False])
def test_takes_hyperparameters_as_values_or_as_the_tuners_record(
    examples, write_module, tmp_path, is_record
):
    values = {"units": 3}
    tuned = records.HyperParameters("/h", "sha256:1", examples.digest, values=values)
    report = tmp_path / "report.json"
    arguments = {
        "--module-file": str(write_module(REPORT)),
        "--examples": records.dump(examples),
        "--output-dir": str(tmp_path / "out"),
        "--hyperparameters": records.dump(tuned) if is_record else json.dumps(values),
        "--custom-config": json.dumps({"report": str(report)}),
    }
    assert command.main([part for pair in arguments.items() for part in pair]) == 1
    seen = json.loads(report.read_text())["fn_args"]["hyperparameters"]
    assert seen == {"space": [], "values": {"units": 3}}


def test_errors_become_exit_codes(examples, write_module, tmp_path):
    common = ["--examples", records.dump(examples), "--output-dir", str(tmp_path / "out")]
    raising = str(write_module("def run_fn(a): 1 / 0"))
    assert command.main(["--module-file", raising, *common]) == 1
    assert command.main(["--module-file", "no/such.py", *common]) == 2
