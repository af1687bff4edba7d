"""A person at a DAG's form in a real Chromium, until the model is live, and taken back."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from scripts.airflow_client import password_of
from tests.integration.tiny_installation import Tiny
from tests.plugins.visitor import Visitor, button

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.timeout(1800)]
DAG_ID = "tiny_form"
FORM = {
    "Data": {
        "Window start": "First moment of the data to train on. Empty: the newest whole interval.",
        "Window end": "First moment after the data to train on. Give both or neither.",
    },
    "Training": {
        "Refused by": "The component that finds the model too bad.",
        "Epochs": "Passes over the data.",
    },
    "Publishing": {
        "Push policy": "auto publishes a blessed model; never trains and judges only;",
        "Backfill push": "The only policy that counts in a backfill:",
    },
}
DEFAULTS = {
    "window_start": None,
    "window_end": None,
    "refused_by": None,
    "epochs": 3,
    "push_policy": "auto",
    "backfill_push": "never",
}
Visit = Callable[[str], Visitor]


@pytest.fixture
def visit(browser: Any, tiny: Tiny, tmp_path: Path) -> Iterator[Visit]:
    """Return a function that logs a user in; none of their pages may print an error."""
    visitors = []
    with ExitStack() as cleanup:

        def log_in(user: str) -> Visitor:
            context = browser.new_context(viewport={"width": 1400, "height": 1000})
            cleanup.callback(context.close)
            address = tiny.airflow.address
            visitor = Visitor(
                context.new_page(), address, lambda user: password_of(tiny.home, user), tmp_path
            )
            visitor.log_in(user)
            visitors.append(visitor)
            return visitor

        yield log_in
        assert [visitor.complaints for visitor in visitors] == [[] for _ in visitors]


@pytest.fixture(scope="module")
def unpaused(tiny: Tiny) -> Tiny:
    """The DAG's newest month is live, by its schedule."""
    tiny.client.unpause(DAG_ID)
    (run,) = tiny.finish_all(DAG_ID, 1)
    assert run["state"] == "success"
    return tiny


def open_form(visitor: Visitor) -> Any:
    visitor.open(f"/dags/{DAG_ID}")
    button(visitor, "Trigger").first.click()
    dialog = visitor.page.locator("[role=dialog][data-state=open]")
    dialog.get_by_text("Logical Date", exact=True).wait_for()
    return dialog


def press(dialog: Any, name: str) -> None:
    dialog.get_by_role("button", name=name, exact=True).click()


def page_of(run_id: str, rest: str = "") -> str:
    return f"/dags/{DAG_ID}/runs/{quote(run_id, safe='')}{rest}"


def wait_for_question(tiny: Tiny, run_id: str) -> None:
    tiny.wait_until(
        lambda: tiny.client.task_states(DAG_ID, run_id)["approval"] == "awaiting_input",
        f"a person is asked in {run_id}",
    )


def test_the_fields_are_titled_grouped_and_described(visit):
    visitor = visit("admin")
    dialog = open_form(visitor)
    for section, fields in FORM.items():
        press(dialog, section)
        for title, description in fields.items():
            dialog.get_by_text(title).first.wait_for()
            dialog.get_by_text(description).wait_for()
        visitor.keep(f"form {section}")


def test_what_makes_no_sense_is_refused_with_a_message_and_starts_nothing(visit, unpaused):
    visitor = visit("admin")
    dialog = open_form(visitor)
    press(dialog, "Training")
    epochs = dialog.locator("[name=element_epochs]")
    epochs.fill("1000")
    epochs.press("Tab")
    assert epochs.input_value() == "100"  # the greatest there may be
    dialog.locator("[name=element_refused_by]").fill("Somebody else")
    press(dialog, "Trigger")
    visitor.see("Invalid input for param refused_by: 'Somebody else' does not match")
    visitor.keep("refused")
    visitor.expect_complaint(
        "Failed to load resource: the server responded with a status of 400 (Bad Request)"
    )
    assert unpaused.runs(DAG_ID, run_type="manual") == []


def test_a_run_from_the_form_goes_live_its_reports_open_and_a_button_takes_it_back(visit, unpaused):
    visitor = visit("admin")
    before = unpaused.folder(DAG_ID).live().number
    press(open_form(visitor), "Trigger")
    visitor.see("Dag Run Triggered")
    (run,) = unpaused.runs(DAG_ID, run_type="manual")
    assert (run["conf"], run["logical_date"] is None) == (DEFAULTS, False)

    run_id = run["dag_run_id"]
    visitor.open(page_of(run_id))
    succeeded = visitor.page.get_by_text("Success", exact=True)
    succeeded.nth(len(unpaused.client.task_states(DAG_ID, run_id))).wait_for()  # and the run
    visitor.keep("watched")
    live = unpaused.folder(DAG_ID).live().number
    assert live > before
    for task_id, link in (("evaluator", "Evaluation report"), ("infra_validator", "Infra report")):
        visitor.open(page_of(run_id, f"/tasks/{task_id}/details"))
        visitor.page.get_by_role("link", name=link).click()
        visitor.see("AUC overall is 0.700")
        visitor.keep(link)
    visitor.open(page_of(run_id, "/tasks/pusher/details"))
    visitor.page.get_by_role("link", name="Previous version").click()
    visitor.page.wait_for_url("**/runs/scheduled__*")
    visitor.open(page_of(run_id, "/plugin/imprimatur-run"))
    visitor.see(f"published as {DAG_ID} {live}")
    visitor.keep("verdicts")

    visitor.open(f"/plugin/imprimatur-models?model={DAG_ID}")
    button(visitor, f"Roll back {live}").click()
    visitor.page.get_by_label("Reason").fill("complaints since noon")
    button(visitor, "Roll back").last.click()
    visitor.see("Done", exact=True)
    visitor.keep("rolled back")
    assert unpaused.folder(DAG_ID).live().number == before
    unpaused.trigger("imprimatur_resume", f"resume-{DAG_ID}", model=DAG_ID, reason="it is mended")
    unpaused.finish("imprimatur_resume", f"resume-{DAG_ID}")


def test_why_nothing_was_published_stands_on_the_runs_page(visit, unpaused):
    unpaused.trigger(DAG_ID, "never", push_policy="never")
    assert unpaused.finish(DAG_ID, "never")[1]["pusher"] == "skipped"
    visitor = visit("vic")
    visitor.open(page_of("never", "/plugin/imprimatur-run"))
    visitor.see("pusher refused: policy")
    visitor.see("push_policy is never, so nothing is published.")
    visitor.see("not published", exact=True)
    visitor.keep("why not")


def test_a_person_answers_in_airflows_page_with_a_reason_or_without(visit, unpaused):
    conf = {"fine": {}, "missed": {"refused_by": "evaluator"}}
    for run_id, more in conf.items():
        unpaused.trigger(DAG_ID, run_id, push_policy="ask", **more)
    visitor = visit("una")
    for run_id in conf:
        wait_for_question(unpaused, run_id)
        visitor.open(page_of(run_id, "/tasks/approval/required_actions"))
        button(visitor, "Approve").wait_for()
        visitor.keep(f"asked {run_id}")
        assert visitor.page.get_by_text("Model sha256:").count() == 1  # the question, once
        if run_id == "missed":
            visitor.page.locator("[id='switch:element_override_1']").click()
            visitor.page.get_by_role("textbox").last.fill("known and accepted")
        button(visitor, "Approve").click()
        assert unpaused.finish(DAG_ID, run_id)[1]["pusher"] == "success"
    version = unpaused.client.xcom(DAG_ID, "missed", "pusher")["version"]
    visitor.open(f"/dags/{DAG_ID}/plugin/imprimatur-model")
    visitor.see(version)
    visitor.see("una let AUC (overall) pass: known and accepted")
    visitor.keep("override")


def test_a_viewer_is_refused_the_form_and_the_button(visit, unpaused):
    before = unpaused.runs(DAG_ID)
    visitor = visit("vic")
    press(open_form(visitor), "Trigger")
    visitor.see("Forbidden")
    visitor.keep("viewer's form")
    visitor.expect_complaint(
        "Failed to load resource: the server responded with a status of 403 (Forbidden)"
    )
    assert len(unpaused.runs(DAG_ID)) == len(before)
    live = unpaused.folder(DAG_ID).live().number
    visitor.open(f"/plugin/imprimatur-models?model={DAG_ID}")
    button(visitor, f"Roll back {live}").wait_for()
    assert button(visitor, f"Roll back {live}").is_disabled()
    visitor.keep("viewer's model")
