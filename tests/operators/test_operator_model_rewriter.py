"""What `ModelRewriterOperator` hands over, and what it passes on."""

import base64
from dataclasses import replace
from pathlib import Path

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from components import signing
from components.records import Blessing, Examples, Finding, Model, Subject, Validator, dump
from operators import ModelRewriterOperator
from tests.operators.contexts import make_context

MODEL = Model("/model", "sha256:0", 1)
EXAMPLES = Examples("/examples", {}, "sha256:2")
BLESSING = Blessing(
    kind="infra",
    blessed=True,
    subject=Subject("model", "sha256:1"),
    findings=(Finding("answers", True, "The output 'y' differs by 0."),),
    validator=Validator("rewriter", "1"),
    issued_at="2026-01-01T00:00:00Z",
)


@pytest.fixture
def rewrite(installation, monkeypatch, tmp_path):
    """Return a function that executes the operator on a component of paper."""
    seen = {}

    def run_component(child, name, flags, context, *, verb):
        seen.update(flags, name=name, verb=verb)
        (tmp_path / "infra_blessing.json").write_text(dump(BLESSING))
        return Model(str(tmp_path / "Format-TFLite"), "sha256:1", 1, format="tflite")

    monkeypatch.setattr("operators.model_rewriter.run_component", run_component)

    def rewrite(**arguments):
        operator = ModelRewriterOperator(
            task_id="rewriter",
            **{"model": MODEL.to_json(), "examples": EXAMPLES.to_json(), **arguments},
        )
        context = make_context("rewriter")
        return operator.execute(context), context["ti"].xcoms["rewriter"], seen

    return rewrite


def test_returns_the_model_and_pushes_its_blessing(rewrite):
    model, xcoms, seen = rewrite(quantization="int8", tolerance=0.2)
    assert (model["format"], Path(model["uri"]).name) == ("tflite", "Format-TFLite")
    assert Blessing.from_json(xcoms["infra_blessing"]).subject.digest == "sha256:1"
    assert (seen["name"], seen["verb"]) == ("saved_model", "rewrite")
    assert (seen["quantization"], seen["tolerance"]) == ("int8", 0.2)
    assert (seen["model"], seen["examples"]) == (MODEL, EXAMPLES)


def test_signs_the_blessing(rewrite, monkeypatch):
    key = bytes(range(32))
    monkeypatch.setattr("operators._signing.signing.close_proc", lambda: None)
    monkeypatch.setenv("IMPRIMATUR_SIGNING_KEY", base64.b64encode(key).decode())
    _, xcoms, _ = rewrite()
    assert signing.is_signed(Blessing.from_json(xcoms["infra_blessing"]), key)


def test_hands_over_the_blessings_of_the_original(rewrite):
    blessing = replace(BLESSING, kind="evaluation", subject=Subject("model", MODEL.digest))
    _, _, seen = rewrite(blessings=[blessing.to_json()])
    assert seen["blessing"] == [blessing]


def test_skips_an_original_that_was_not_blessed(rewrite):
    subject = Subject("model", MODEL.digest)
    blessing = replace(BLESSING, kind="evaluation", subject=subject, blessed=False)
    with pytest.raises(AirflowSkipException, match=r"refused \(not_blessed\)"):
        rewrite(blessings=[blessing.to_json()])


def test_skips_a_blessing_without_a_signature(rewrite, monkeypatch):
    monkeypatch.setattr("operators._signing.signing.close_proc", lambda: None)
    monkeypatch.setenv("IMPRIMATUR_SIGNING_KEY", base64.b64encode(bytes(range(32))).decode())
    blessing = replace(BLESSING, kind="evaluation", subject=Subject("model", MODEL.digest))
    with pytest.raises(AirflowSkipException, match=r"refused \(bad_signature\)"):
        rewrite(blessings=[blessing.to_json()])


def test_refuses_an_original_whose_verdict_no_task_left(rewrite):
    with pytest.raises(AirflowFailException, match="blessings is None: the upstream task left no"):
        rewrite(blessings=[None])


def test_refuses_a_model_that_no_task_left(rewrite):
    with pytest.raises(AirflowFailException, match="model is None: the upstream task left no"):
        rewrite(model=None)
