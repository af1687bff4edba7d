"""``python -m components.evaluator``: exit codes, the last line, the log."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components import records
from components.evaluator.__main__ import main
from components.signing import KEY_VARIABLE

ROWS = [{"score": 0.25 + label / 2, "late": label} for label in (0, 1) * 10]


@pytest.fixture
def evaluator(score_model, write_examples, tmp_path):
    """Return a function that runs the command line in this process."""
    examples = write_examples(ROWS)

    def run(*flags, bound=0.9, eval_config=None):
        threshold = {"value_threshold": {"lower_bound": bound}}
        eval_config = eval_config or {
            "model_specs": [{"label_key": "late"}],
            "metrics_specs": [{"metrics": [{"class_name": "AUC", "threshold": threshold}]}],
        }
        path = tmp_path / "eval_config.json"
        path.write_text(json.dumps(eval_config))
        arguments = {
            "--model": records.dump(score_model()),
            "--examples": records.dump(examples),
            "--eval-config": str(path),
            "--output-dir": str(tmp_path / "evaluation"),
        }
        given = dict(zip(flags[::2], flags[1::2], strict=True))
        merged = [part for pair in {**arguments, **given}.items() for part in pair]
        return main(merged)

    return run


def test_blessed_is_exit_code_0_and_the_last_line_is_the_record(evaluator, capfd, tmp_path):
    assert evaluator("--run", '{"dag_id": "d", "run_id": "r", "task_id": "t"}') == 0
    blessing = records.load(capfd.readouterr().out.splitlines()[-1])
    assert blessing.blessed
    assert blessing.run.dag_id == "d"
    assert records.load(tmp_path / "evaluation" / "record.json") == blessing


def test_not_blessed_is_exit_code_3_and_the_log_says_why(evaluator, capfd, caplog):
    caplog.set_level("INFO")
    assert evaluator("--first-run", "refuse", "--baseline", "/does/not/exist") == 3
    assert not records.load(capfd.readouterr().out.splitlines()[-1]).blessed
    table = [record.getMessage() for record in caplog.records if "verdict" in record.name]
    assert table[0].split() == ["check", "metric", "slice", "value", "bound", "baseline"]
    assert any(line.split()[:2] == ["FAILED", "first_run"] for line in table)
    assert any(line.split()[:5] == ["ok", "value_threshold", "auc", "overall", "1.000"]
               for line in table)  # fmt: skip
    assert table[-1] == "NOT BLESSED"
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert any(line.startswith("there is nothing to compare with") for line in warned)


def test_a_model_never_sees_the_signing_key(evaluator, monkeypatch):
    seen = []
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    monkeypatch.setattr(
        "components.evaluator.evaluate", lambda **_: seen.append(os.environ.get(KEY_VARIABLE))
    )
    with pytest.raises(AttributeError):  # what the stand-in returns is no record
        evaluator()
    assert seen == [None]


def test_takes_a_saved_model_directory_and_a_serving_folder(
    evaluator, score_model, capfd, tmp_path
):
    shutil.copytree(score_model(0.5).uri, tmp_path / "serving" / "4")
    assert evaluator("--model", score_model().uri, "--baseline", str(tmp_path / "serving")) == 0
    blessing = records.load(capfd.readouterr().out.splitlines()[-1])
    assert blessing.subject.digest == score_model().digest
    assert blessing.baseline.version == "4"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--example-splits", "test"), "but the examples have the splits ['eval']"),
        (("--eval-config", "nowhere.json"), "the eval config can't be read"),
        (("--baseline", "nowhere.json"), "no record can be read from 'nowhere.json'"),
    ],
)
def test_wrong_input_is_exit_code_2(evaluator, capfd, caplog, flags, message):
    assert evaluator(*flags) == 2
    assert message in caplog.text
    assert capfd.readouterr().out == ""


def test_an_unknown_metric_is_exit_code_2_and_names_those_there_are(evaluator, caplog):
    unknown = {
        "model_specs": [{"label_key": "late"}],
        "metrics_specs": [{"metrics": [{"class_name": "AUROC"}]}],
    }
    assert evaluator(eval_config=unknown) == 2
    assert "'AUROC' isn't known; expected one of AUC, AUCPrecisionRecall" in caplog.text


def test_refuses_to_replace_a_directory_that_is_not_its_own(evaluator, caplog, tmp_path):
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "thesis.txt").write_text("mine")
    assert evaluator() == 2
    assert "holds no record.json of ours" in caplog.text
    assert (tmp_path / "evaluation" / "thesis.txt").read_text() == "mine"


def test_help_and_wrong_usage_do_not_wait_for_tensorflow():
    code = (
        "import sys; from components.evaluator.__main__ import build_parser; build_parser(); "
        "sys.exit('tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    done = subprocess.run(
        [sys.executable, "-m", "components.evaluator", "--model", "x"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "--model: no record can be read from 'x'" in done.stderr


@pytest.mark.parametrize(
    ("eval_config", "message"),
    [
        ("{}", b"model_specs has 0 candidates"),
        (json.dumps({
            "model_specs": [{"label_key": "late"}],
            "metrics_specs": [{"metrics": [{
                "class_name": "AUC",
                "threshold": {"value_threshold": {"lower_bound": 1.7}},
            }]}],
        }), b"AUC is 1 at most: no model could ever be blessed"),
    ],
)  # fmt: skip
def test_says_what_is_wrong_with_a_configuration_before_it_loads_tensorflow(
    eval_config, message, tmp_path
):
    """A stand-in for TensorFlow would say that it was imported."""
    (tmp_path / "tensorflow.py").write_text("raise SystemExit('imported tensorflow')")
    examples = records.dump(
        records.Examples(
            uri="/nowhere",
            splits={"eval": records.Split("*", 1)},
            digest="sha256:" + "0" * 64,
        )
    )
    arguments = ["--model", str(tmp_path), "--examples", examples, "--eval-config", eval_config]
    done = subprocess.run(
        [sys.executable, "-m", "components.evaluator", *arguments,
         "--output-dir", str(tmp_path / "out")],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path.cwd()}"},
        capture_output=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode, b"imported tensorflow" in done.stderr) == (2, False)
    assert message in done.stderr
