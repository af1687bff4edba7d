"""What the demo says of its runs, and when it says that it broke a promise."""

import dataclasses

import pytest

from components.records import Baseline, Bound, Finding, PushedModel, Refusal, Window
from scripts.demo_run import Outcome, Plan
from scripts.demo_table import broken_promises, reasons_of, table_of
from tests.components.record_samples import BLESSING, DIGEST

NOT_BLESSED = Finding(check="not_blessed", passed=False, message="the evaluation is negative")


def auc(observed, baseline=None, passed=True):
    return Finding(
        check="change_threshold",
        passed=passed,
        message=f"AUC is {observed}",
        metric="auc",
        observed=observed,
        baseline=baseline,
        bound=Bound(lower=0.6),
    )


def outcome(label, *, before, after, blessed=True, decision=None, pusher="success", baseline=None):
    evaluation = dataclasses.replace(
        BLESSING,
        blessed=blessed,
        findings=(auc(0.7 if blessed else 0.5, 0.6 if baseline else None, blessed),),
        baseline=Baseline("/serving", baseline, DIGEST if baseline else None),
    )
    return Outcome(
        plan=Plan(label, Window("2013-01-01", "2013-02-01")),
        run_id=label,
        state="success",
        tasks={"pusher": pusher, "report": "success"},
        evaluation=evaluation,
        infra=dataclasses.replace(BLESSING, kind="infra", findings=()),
        decision=decision or PushedModel("pushed", after, "/serving", DIGEST, DIGEST),
        live_before=before,
        live_after=after,
    )


FIRST = outcome("January", before=None, after="1")
LATER = outcome("February", before="1", after="2", baseline="1")
SPOILED = outcome(
    "spoiled",
    before="2",
    after="2",
    blessed=False,
    decision=Refusal((NOT_BLESSED,)),
    pusher="skipped",
    baseline="2",
)


def test_shows_each_run_in_a_row():
    lines = table_of([FIRST, LATER, SPOILED]).splitlines()

    assert lines[2].split() == [
        "January",
        "2013-01",
        "0.700",
        "–",
        *["blessed", "blessed", "pushed", "1"],
    ]
    assert lines[3].split()[2:4] == ["0.700", "0.600"]
    assert "not blessed" in lines[4]
    assert lines[4].split()[-3:] == ["refused:", "not_blessed", "2"]


def test_gives_the_reasons_once():
    assert reasons_of(SPOILED) == ["AUC is 0.5"]
    assert reasons_of(FIRST) == []
    held = dataclasses.replace(FIRST, decision=Refusal((NOT_BLESSED,)))
    assert reasons_of(held) == ["the evaluation is negative"]


def test_is_content_with_what_was_promised():
    assert broken_promises([FIRST, LATER, SPOILED]) == []


def test_a_later_model_may_be_refused_if_it_is_worse():
    worse = outcome(
        "February", before="1", after="1", blessed=False, baseline="1",
        decision=Refusal((NOT_BLESSED,)), pusher="skipped",
    )  # fmt: skip

    assert broken_promises([FIRST, worse, SPOILED]) == []


@pytest.mark.parametrize(
    ("position", "change", "problem"),
    [
        (0, {"decision": Refusal((NOT_BLESSED,))}, "the first model, of January, was not"),
        (0, {"live_after": None}, "the first model, of January, was not"),
        (0, {"evaluation": LATER.evaluation}, "compared with something, though nothing was live"),
        (1, {"evaluation": FIRST.evaluation}, "February was compared with None, and 1 was live"),
        (1, {"live_before": "0"}, "February was compared with 1, and 0 was live"),
        (1, {"decision": Refusal((NOT_BLESSED,))}, "February: the evaluation says True"),
        (2, {"evaluation": LATER.evaluation}, "didn't notice that the labels were shuffled"),
        (2, {"decision": LATER.decision}, "the spoiled model wasn't refused"),
        (2, {"tasks": {"pusher": "success", "report": "success"}}, "the pusher isn't skipped"),
        (2, {"tasks": {"pusher": "skipped", "report": "failed"}}, "the spoiled run has no report"),
        (2, {"live_after": "3"}, "2 was live, and now 3 is"),
    ],
)  # fmt: skip
def test_says_what_is_not_as_promised(position, change, problem):
    outcomes = [FIRST, LATER, SPOILED]
    outcomes[position] = dataclasses.replace(outcomes[position], **change)

    assert [text for text in broken_promises(outcomes) if problem in text]
