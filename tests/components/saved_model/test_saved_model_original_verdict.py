"""What nobody blessed isn't rewritten: a push of the result doesn't ask for the evaluation."""

import base64
import json
from dataclasses import replace

import pytest

from components import artifacts, records, signing
from components.records import Blessing, Examples, Finding, Model, Refusal, Subject, Validator
from components.saved_model import __main__ as command
from components.saved_model.original_verdict import refuse_unblessed, verdict_finding

KEY = bytes(range(32))


@pytest.fixture
def model(tmp_path):
    """The record of what looks like a SavedModel."""
    directory = tmp_path / "model"
    directory.mkdir()
    (directory / "saved_model.pb").write_bytes(b"graph")
    manifest = artifacts.read_manifest(directory)
    return Model(str(directory), manifest.digest, manifest.num_bytes)


def evaluation(model, *, blessed=True):
    return Blessing(
        kind="evaluation",
        blessed=blessed,
        subject=Subject("model", model.digest),
        findings=(Finding("value_threshold", blessed, "auc is 0.61; 0.7 is needed"),),
        validator=Validator("evaluator", "1"),
        issued_at="2026-01-01T00:00:00Z",
    )


@pytest.mark.parametrize(
    ("change", "key", "check"),
    [
        (lambda one: one, None, None),
        (lambda one: signing.sign(one, KEY), KEY, None),
        (lambda one: one, KEY, "bad_signature"),
        (lambda one: replace(signing.sign(one, KEY), report_uri="/x"), KEY, "bad_signature"),
        (lambda one: replace(one, subject=Subject("model", "sha256:0")), None, "other_bytes"),
        (lambda one: replace(one, blessed=False), None, "not_blessed"),
    ],
    ids=["blessed", "signed", "unsigned", "changed", "other bytes", "negative"],
)
def test_each_blessing_must_be_positive_for_these_bytes_and_signed(model, change, key, check):
    refused = refuse_unblessed(model, [change(evaluation(model))], key)
    assert (refused and refused.check) == check


def test_says_whether_the_original_was_judged(model):
    assert verdict_finding([evaluation(model)]).message == "The original is blessed: evaluation."
    assert "The original wasn't judged" in verdict_finding([]).message


@pytest.mark.parametrize(
    ("key", "check"), [(None, "not_blessed"), (KEY, "bad_signature")], ids=["no key", "a key"]
)
def test_command_refuses_what_the_evaluator_refused(
    model, tmp_path, capfd, monkeypatch, key, check
):
    monkeypatch.setattr(signing, "close_proc", lambda: None)
    monkeypatch.setenv(signing.KEY_VARIABLE, base64.b64encode(key or b"").decode())
    examples = Examples(str(tmp_path), {"eval": records.Split("*", 1)}, "sha256:2")
    code = command.main(
        ["rewrite", "--model", records.dump(model), "--examples", records.dump(examples),
         "--blessing", records.dump(evaluation(model, blessed=False)),
         "--output-dir", str(tmp_path / "lite")]
    )  # fmt: skip
    refused = Refusal.from_json(json.loads(capfd.readouterr().out.splitlines()[-1]))
    assert (code, refused.check, refused.model_digest) == (3, check, model.digest)
    assert not (tmp_path / "lite").exists()
