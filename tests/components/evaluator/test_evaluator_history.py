"""What months of runs found is read from what they left, and drawn; what is damaged is named."""

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components import artifacts, pusher, records
from components.artifact_path import artifact_directory
from components.errors import ConfigurationError
from components.evaluator import read_eval_config, read_history
from components.evaluator.__main__ import main
from components.evaluator.history_page import picture, table, write_page
from components.evaluator.judgement import BASELINE, CANDIDATE, Case, judge
from components.evaluator.report_metrics import write_table
from components.evaluator.tally import Measured, Measurements
from components.records import Baseline, Blessing, Inputs, Model, Run, Subject, Validator, Window
from components.serving_folder import ServingFolder

SVG = "{http://www.w3.org/2000/svg}"
AUCS = [0.71, 0.74, 0.55, 0.75]
CONFIG = {
    "model_specs": [{"label_key": "late"}],
    "slicing_specs": [{}, {"feature_keys": ["origin"]}],
    "metrics_specs": [
        {
            "metrics": [
                {
                    "class_name": "AUC",
                    "per_slice_thresholds": [
                        {
                            "slicing_specs": [{}],
                            "threshold": {
                                "value_threshold": {"lower_bound": 0.6},
                                "change_threshold": {
                                    "direction": "HIGHER_IS_BETTER", "absolute": -0.1,
                                },
                            },
                        }
                    ],
                },
                {"class_name": "MeanLabel"},
            ]
        }
    ],
}  # fmt: skip


class Months:
    """A DAG's artifacts and a serving folder, as a backfill of the months of 2013 leaves them."""

    def __init__(self, root):
        self.artifacts, self.serving = root / "artifacts", root / "serving" / "flights"
        self._models = root / "models"
        self.evaluations = {}

    def run(self, month, auc, live=None):
        """Train, evaluate, and push what is blessed."""
        window = Window(f"2013-{month:02}-01", f"2013-{month + 1:02}-01")
        run = Run("flights", f"backfill__2013-{month:02}", "trainer", -1, 1)
        model = self._model(month, window)
        self._write(model, run)
        measured = {CANDIDATE: auc, **({} if live is None else {BASELINE: live})}
        case = Case(
            read_eval_config(CONFIG),
            Measurements(
                ((), (("origin", "JFK"),)),
                np.array([1000, 10 * month]),
                {name: _measured(value) for name, value in measured.items()},
            ),
            "nothing live" if live is None else "live version",
            "bless",
        )
        findings = judge(case)
        blessing = Blessing(
            kind="evaluation",
            blessed=all(finding.passed for finding in findings),
            subject=Subject("model", model.digest),
            findings=findings,
            validator=Validator("imprimatur.evaluator", "1"),
            issued_at=f"2026-01-{month:02}T00:00:00Z",
            inputs=Inputs("sha256:" + "1" * 64, "sha256:" + "2" * 64),
            baseline=self._baseline(),
            run=Run("flights", run.run_id, "evaluator", -1, 1),
        )
        directory = self._write(blessing, blessing.run)
        write_table(case, blessing, directory)
        self.evaluations[month] = directory
        if blessing.blessed:
            pusher.push(
                model=model,
                blessings=[blessing],
                required_kinds=["evaluation"],
                push_destination={"filesystem": {"base_directory": str(self.serving)}},
            )

    def _baseline(self):
        folder = ServingFolder(self.serving)
        live = folder.live()
        of_live = {} if live is None else {"version": str(live.number), "digest": live.digest}
        return Baseline(base_directory=folder.identity, **of_live)

    def _model(self, month, window):
        directory = self._models / str(month)
        (directory / "variables").mkdir(parents=True)
        (directory / "saved_model.pb").write_bytes(b"model %d" % month)
        (directory / "variables" / "variables.index").touch()
        manifest = artifacts.read_manifest(directory)
        return Model(str(directory), manifest.digest, manifest.num_bytes, window=window)

    def _write(self, record, run):
        directory = artifact_directory(self.artifacts, run)
        directory.mkdir(parents=True)
        artifacts.write_record(record, directory)
        return directory


def _measured(auc):
    return Measured({"auc": np.array([auc, auc / 2]), "mean_label": np.array([0.2, np.nan])},
                    np.zeros(2, np.int64))  # fmt: skip


@pytest.fixture
def months(tmp_path):
    made = Months(tmp_path)
    for month, auc in enumerate(AUCS, start=1):
        made.run(month, auc, live=None if month == 1 else 0.7)
    return made


def history_of(months, **arguments):
    return read_history(
        artifacts_root=months.artifacts,
        dag_id="flights",
        base_directory=months.serving,
        **arguments,
    )


def test_of_a_dag_that_makes_several_models_only_the_asked_ones_runs_count(months, tmp_path):
    of_flights = history_of(months).evaluations
    months.serving = tmp_path / "serving" / "flights_JFK"
    months.run(5, 0.9, live=None)

    assert [each.metrics["auc"] for each in history_of(months).evaluations] == [0.9]
    months.serving = tmp_path / "serving" / "flights"
    assert history_of(months).evaluations == of_flights


def test_says_what_each_window_came_to(months):
    pusher.rollback(base_directory=str(months.serving), reason="wrong", by="ada")

    history = history_of(months)

    assert history.problems == ()
    assert [each.window.start[:7] for each in history.evaluations] == [
        "2013-01", "2013-02", "2013-03", "2013-04",
    ]  # fmt: skip
    assert [each.metrics["auc"] for each in history.evaluations] == AUCS
    assert [each.metrics["mean_label"] for each in history.evaluations] == [0.2] * 4
    assert [each.baseline_metrics.get("auc") for each in history.evaluations] == [
        None,
        0.7,
        0.7,
        0.7,
    ]
    assert [each.blessed for each in history.evaluations] == [True, True, False, True]
    assert [each.fate for each in history.evaluations] == ["kept", "live", None, "withdrawn"]
    assert history.evaluations[1].version == "20130301000000"
    assert {each.bounds["auc"].lower for each in history.evaluations} == {0.6}
    assert "0.550, below the bound 0.600" in history.evaluations[2].reasons[0]
    assert {each.run_id for each in history.evaluations} == {
        f"backfill__2013-0{month}" for month in range(1, 5)
    }


def test_is_of_one_slice_and_between_two_dates(months):
    history = history_of(months, slice={"origin": "JFK"}, window=Window("2013-02-01", "2013-04-01"))
    assert [each.num_examples for each in history.evaluations] == [20, 30]
    assert [each.metrics for each in history.evaluations] == [
        {"auc": auc / 2, "mean_label": None} for auc in AUCS[1:3]
    ]
    assert all(not each.bounds for each in history.evaluations)


def test_what_was_published_is_known_without_artifacts(months):
    shutil.rmtree(months.artifacts)
    history = history_of(months)
    assert [each.window.end[:10] for each in history.evaluations] == [
        "2013-02-01", "2013-03-01", "2013-05-01",
    ]  # fmt: skip
    assert [each.metrics for each in history.evaluations] == [
        {"auc": auc} for auc in AUCS if auc > 0.6
    ]
    assert history.evaluations[-1].fate == "live"


def test_the_newest_try_of_a_task_counts(months):
    older = months.evaluations[1]
    newer = older.with_name("2-00000000")
    shutil.copytree(older, newer)
    blessing = records.load(newer / "record.json")
    text = records.dump(blessing).replace("2026-01-01", "2026-02-02")
    (newer / "record.json").write_text(text)
    (older.parent / "3-unfinished").mkdir()
    first, *rest = history_of(months).evaluations
    assert first.issued_at.startswith("2026-02-02")
    assert len(rest) == 3


def test_what_is_damaged_or_foreign_is_named_and_hides_nothing(months):
    (months.evaluations[1] / "metrics.parquet").write_bytes(b"PAR1 no more")
    (months.evaluations[2] / "metrics.parquet").unlink()
    (months.evaluations[3] / "record.json").write_text('{"type": "Blessing"')
    (months.serving / ".imprimatur" / "versions" / "20130201000000.json").write_text("[]")
    (months.artifacts / "flights" / "notes.txt").touch()
    foreign = months.artifacts / "flights" / "by hand" / "task" / "1-x"
    foreign.mkdir(parents=True)
    (foreign / "record.json").write_text('{"type": "Sandwich", "schema_version": 1}')

    history = history_of(months)

    assert [each.metrics["auc"] for each in history.evaluations] == [0.71, 0.74, 0.75]
    assert [each.num_examples for each in history.evaluations] == [None, None, 1000]
    said = "\n".join(history.problems)
    assert len(history.problems) == 5
    for named in (
        *(str(months.evaluations[month] / "metrics.parquet") for month in (1, 2)),
        str(months.evaluations[3] / "record.json"),
        "20130201000000.json",
        "Sandwich",
    ):
        assert named in said


def test_a_dag_that_never_ran_is_no_history(tmp_path):
    with pytest.raises(ConfigurationError, match=r"no artifacts of the DAG 'flights'.*has run"):
        read_history(artifacts_root=tmp_path, dag_id="flights")


def test_the_page_needs_no_other_file_and_shows_text_as_text(months, tmp_path):
    months.run(5, 0.9, live=0.8)
    evil = "<script>alert(1)</script>"
    text = (months.evaluations[3] / "record.json").read_text()
    (months.evaluations[3] / "record.json").write_text(text.replace("AUC overall", evil))
    file = tmp_path / "history.html"
    history = history_of(months)

    write_page(history, file)

    page = file.read_text()
    assert evil not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; is 0.550" in page
    assert page.count("<svg") == 1
    assert not re.findall(r"""(?:src|href)=["'](?!#)""", page)
    assert "20130601000000<small>live</small>" in page.replace("\n", "")


def test_the_picture_has_a_point_for_each_evaluation(months):
    svg = ET.fromstring(picture(history_of(months), "auc"))
    counts = [
        len(group.findall(f".//{SVG}use"))
        for group in svg.iter(f"{SVG}g")
        if (group.get("id") or "").startswith("PathCollection")
    ]
    assert counts[:3] == [3, 1, 1]  # blessed, not blessed, live
    assert picture(history_of(months), "nothing of this name") == ""


def test_the_table_is_read_by_people(months):
    lines = table(history_of(months)).splitlines()
    assert lines[0].split() == ["window", "evaluation", "version", "examples", "auc", "run"]
    assert lines[4].split() == [
        "2013-03-01/2013-04-01", "not", "blessed", "1,000", "0.550", "backfill__2013-03",
    ]  # fmt: skip
    assert "mean_label" in table(history_of(months), ["mean_label"]).splitlines()[0]


def test_the_command_line_prints_json_last(months, tmp_path, capfd):
    file = tmp_path / "out.html"
    code = main(
        ["history", "--artifacts", str(months.artifacts), "--dag-id", "flights",
         "--base-directory", str(months.serving), "--output", str(file)]
    )  # fmt: skip
    out, error = capfd.readouterr()
    assert code == 0
    assert [each["metrics"]["auc"] for each in json.loads(out)["evaluations"]] == AUCS
    assert "backfill__2013-04" in error
    assert file.exists()
    assert main(["history", "--artifacts", str(tmp_path / "none"), "--dag-id", "flights"]) == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--metric", "acu"],
            "no evaluation measured 'acu' overall; there are 'auc', 'mean_label'",
        ),
        (["--slice", '{"orgin": "JFK"}'], "evaluations measured anything for orgin=JFK"),
    ],
)
def test_the_command_line_names_what_was_never_measured(months, words, message, caplog):
    shown = ["history", "--artifacts", str(months.artifacts), "--dag-id", "flights"]
    assert main([*shown, *words]) == 2
    assert message in caplog.text


def test_reading_loads_neither_tensorflow_nor_matplotlib():
    code = (
        "import sys, components.evaluator as e; e.read_history; "
        "sys.exit(bool({'tensorflow', 'keras', 'matplotlib', 'airflow', 'apache_beam'} "
        "& set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_reading_loads_no_pandas_either(months):
    """It would take the first page of a server a second; an installation has it."""
    code = f"""
import pathlib, sys
from components.evaluator.history_files import read_table
found = read_table(pathlib.Path({str(months.evaluations[1] / "metrics.parquet")!r}), {{}})
assert found["metrics"]["auc"] == 0.71, found
assert "pandas" not in sys.modules
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_table_without_its_columns_is_damaged(months):
    file = months.evaluations[1] / "metrics.parquet"
    pq.write_table(pa.table({"slice": ["{}"], "metric": ["auc"]}), file)
    (problem,) = history_of(months).problems
    assert str(file) in problem


def test_what_changes_on_disk_is_read_again(months):
    before = history_of(months).evaluations
    file = months.evaluations[1] / "record.json"
    file.write_text(file.read_text().replace("2026-01-01T", "2026-03-01T"))
    assert history_of(months).evaluations[0].issued_at.startswith("2026-03-01")
    assert history_of(months).evaluations[1:] == before[1:]
    for path in (months.artifacts / "flights").iterdir():
        shutil.rmtree(path)
    assert [each.num_examples for each in history_of(months).evaluations] == [None] * 3


def test_only_the_runs_and_versions_that_changed_last_are_read(months):
    everything = history_of(months)
    for place, run in enumerate(sorted((months.artifacts / "flights").iterdir())):
        os.utime(run, (place, place))
    (months.serving / ".imprimatur" / "versions" / "20130201000000.json").write_text("[]")
    newest = history_of(months, newest=1)
    assert newest.problems == ()
    assert newest.evaluations == everything.evaluations[-1:]
