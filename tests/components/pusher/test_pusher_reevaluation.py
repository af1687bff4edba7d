"""Judging again against what is live now, by a stand-in with the evaluator's command line."""

import dataclasses
import json
import os
import stat
import sys
from pathlib import Path

import pytest

from components import signing
from components.errors import ConfigurationError, PushError
from components.pusher import reevaluation
from components.records import Inputs, Override

INPUTS = Inputs(examples_digest="sha256:e", eval_config_digest="sha256:c")
KEY = b"k" * 32

EVALUATOR = """
import argparse, json, os, sys
from pathlib import Path
from components.records import Baseline, Blessing, Finding, Inputs, Model, Subject, Validator, dump
from components.serving_folder import ServingFolder

parser = argparse.ArgumentParser()
for flag in ("model", "examples", "eval-config", "baseline", "output-dir", "first-run",
             "missing-slice"):
    parser.add_argument("--" + flag)
parser.add_argument("--without-thresholds", action="store_true")
parser.add_argument("--example-splits", action="append")
arguments = parser.parse_args()
script = json.loads(Path(__file__).with_suffix(".json").read_text())
calls = Path(__file__).with_suffix(".calls")
with calls.open("a") as file:
    seen = {"arguments": vars(arguments), "key": os.environ.get("IMPRIMATUR_SIGNING_KEY")}
    file.write(json.dumps(seen) + "\\n")
print("a line before the record")
if script["exit"] not in (0, 3):
    sys.exit(script["exit"])
model = Model.from_json(json.loads(arguments.model))
folder = ServingFolder(arguments.baseline)
live = folder.live()
finding = Finding("change_threshold", script["exit"] == 0, "AUC fell", metric="auc", observed=0.6)
print(dump(Blessing(
    kind="evaluation",
    blessed=script["exit"] == 0,
    subject=Subject("model", model.digest),
    findings=(finding,),
    validator=Validator("test", "1"),
    issued_at="2026-01-01T00:00:00Z",
    inputs=Inputs(script["examples"], "sha256:c"),
    baseline=Baseline(folder.identity, str(live.number), live.digest),
    report_uri=arguments.output_dir,
)))
if script["then_push"]:
    os.system(script["then_push"])
sys.exit(script["exit"])
"""


class Evaluator:
    def __init__(self, directory: Path) -> None:
        self.path = directory / "evaluator.py"
        self.path.write_text(EVALUATOR)
        self.answer()

    def answer(self, exit_code=0, examples="sha256:e", then_push=""):
        script = {"exit": exit_code, "examples": examples, "then_push": then_push}
        self.path.with_suffix(".json").write_text(json.dumps(script))

    @property
    def calls(self) -> list[dict]:
        path = self.path.with_suffix(".calls")
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def evaluator(tmp_path, monkeypatch):
    evaluator = Evaluator(tmp_path)
    monkeypatch.setattr(reevaluation, "EVALUATOR", (sys.executable, str(evaluator.path)))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    return evaluator


@pytest.fixture
def stale(workshop):
    """A model whose evaluation compared with what was live before."""
    workshop.publish(2)
    model = workshop.model("graph 4", 4)
    evaluation = workshop.bless(model, baseline=workshop.baseline(), inputs=INPUTS)
    workshop.publish(3)
    return model, [evaluation, workshop.bless(model, "infra")]


WITH = {"examples": "examples.json", "eval_config": "eval_config.json"}


def test_a_stale_evaluation_is_made_again_and_the_new_one_recorded(workshop, evaluator, stale):
    model, blessings = stale

    pushed = workshop.push(model, blessings, reevaluate_with=WITH)

    assert pushed.version == "20130401000000"
    renewed = pushed.blessings[0]
    assert renewed.baseline.version == "20130301000000"
    assert renewed.report_uri is None
    assert pushed.blessings[1] == blessings[1]
    assert len(evaluator.calls) == 1


def test_the_evaluator_gets_what_it_needs(workshop, evaluator, stale, tmp_path):
    model, blessings = stale
    policies = {"first_run": "refuse", "missing_slice": "pass", "without_thresholds": True}
    more = {"example_splits": ["eval", "test"], **policies}

    workshop.push(model, blessings, reevaluate_with={**WITH, "examples": {"type": "x"}, **more})

    given = evaluator.calls[0]["arguments"]
    assert json.loads(given["model"]) == model.to_json()
    assert json.loads(given["examples"]) == {"type": "x"}
    assert given["eval_config"] == "eval_config.json"
    assert given["baseline"] == str(workshop.base)
    assert given["example_splits"] == ["eval", "test"]
    assert {name: given[name] for name in policies} == policies


def test_an_evaluation_that_is_not_stale_is_not_made_again(workshop, evaluator):
    workshop.push(workshop.model(), reevaluate_with=WITH)

    assert evaluator.calls == []


def test_another_refusal_comes_first(workshop, evaluator, stale):
    model, blessings = stale
    workshop.publish(5)

    assert workshop.push(model, blessings, reevaluate_with=WITH).check == "older_than_live"
    assert evaluator.calls == []


def test_a_new_verdict_against_it_refuses(workshop, evaluator, stale):
    evaluator.answer(exit_code=3)
    model, blessings = stale

    refused = workshop.push(model, blessings, reevaluate_with=WITH)

    assert refused.check == "not_blessed"
    assert "AUC fell" in refused.findings[0].message


def test_an_approval_stays_valid_for_the_new_evaluation(workshop, evaluator, stale):
    evaluator.answer(exit_code=3)
    model, blessings = stale
    override = Override("change_threshold", "auc", {}, "known drift", "ada", observed=0.6)
    worse = dataclasses.replace(override, observed=0.61)

    for given, outcome in ((worse, "Refusal"), (override, "PushedModel")):
        approval = workshop.bless(model, "approval", overrides=(given,))
        result = workshop.push(model, [*blessings, approval], reevaluate_with=WITH)
        assert type(result).__name__ == outcome


def test_other_inputs_are_a_configuration_error(workshop, evaluator, stale):
    evaluator.answer(examples="sha256:other")

    with pytest.raises(ConfigurationError, match="other inputs"):
        workshop.push(*stale, reevaluate_with=WITH)


@pytest.mark.parametrize(("code", "error"), [(1, PushError), (2, ConfigurationError)])
def test_an_evaluator_that_fails_is_a_fault_or_an_error(workshop, evaluator, stale, code, error):
    evaluator.answer(exit_code=code)

    with pytest.raises(error, match="evaluat"):
        workshop.push(*stale, reevaluate_with=WITH)

    assert workshop.folder.live().number == 20130301000000


def test_after_three_rounds_in_vain_it_is_a_fault(workshop, evaluator, stale):
    """Each time something else becomes live while the evaluator works, outside the lock."""
    intruder = workshop.directory / "intrude.sh"
    intruder.write_text(
        f'cd "{workshop.base}"; n=$(ls | grep -c "^201303"); '
        'cp -r 20130301000000 "2013030100000$n"; echo "$n" >> "2013030100000$n/saved_model.pb"'
    )
    intruder.chmod(intruder.stat().st_mode | stat.S_IXUSR)
    evaluator.answer(then_push=f"sh {intruder}")
    before = workshop.folder.live()

    with pytest.raises(PushError, match="after 3 new evaluations"):
        workshop.push(*stale, reevaluate_with=WITH)

    assert len(evaluator.calls) == 3
    assert workshop.folder.live().number > before.number


def test_the_new_evaluation_is_signed_and_no_child_sees_the_key(
    workshop, evaluator, stale, monkeypatch
):
    model, blessings = stale
    signed = [signing.sign(blessing, KEY) for blessing in blessings]
    monkeypatch.setenv(signing.KEY_VARIABLE, "secret")

    pushed = workshop.push(model, signed, reevaluate_with=WITH, signing_key=KEY)

    assert signing.is_signed(pushed.blessings[0], KEY)
    assert evaluator.calls[0]["key"] is None
    assert os.environ[signing.KEY_VARIABLE] == "secret"


def test_a_stale_evaluation_whose_signature_is_wrong_is_not_made_again(workshop, evaluator, stale):
    refused = workshop.push(*stale, reevaluate_with=WITH, signing_key=KEY)

    assert refused.check == "bad_signature"
    assert evaluator.calls == []


@pytest.mark.parametrize(
    "given", [{}, {"examples": "x"}, {**WITH, "model": "x"}, {**WITH, "without_thresholds": "no"}]
)
def test_other_keys_are_a_configuration_error(workshop, given):
    with pytest.raises(ConfigurationError, match="reevaluate_with has"):
        workshop.push(workshop.model(), reevaluate_with=given)
