"""The views in a real Chromium, as who may do everything and as who may only look."""

import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe

from components.records import Bound, Finding
from components.serving_folder import ServingFolder
from tests.plugins.conftest import EVIL, MODEL, workshop
from tests.plugins.visitor import Visitor, button

pytestmark = [pytest.mark.slow, pytest.mark.browser]

MODELS = "/plugin/imprimatur-models"


@pytest.fixture(params=["light"])
def context(request, browser):
    made = browser.new_context(viewport={"width": 1400, "height": 1000}, color_scheme=request.param)
    yield made
    made.close()


@pytest.fixture
def visitor(context, installation, tmp_path):
    page = context.new_page()
    visitor = Visitor(page, installation.address, installation.password, tmp_path)
    yield visitor
    assert visitor.complaints == []


def test_all_models_are_there_and_one_can_be_opened(visitor):
    visitor.log_in("admin")
    visitor.page.get_by_role("link", name="Models").click()
    visitor.see("damaged", exact=True)
    visitor.see("can't be read")
    visitor.keep("models")
    visitor.page.get_by_role("link", name=MODEL, exact=True).click()
    visitor.see("is in quarantine")
    button(visitor, "Details of 20130301000000").click()
    visitor.see("auc is 0.73")
    visitor.see(EVIL)
    visitor.keep("model")
    assert visitor.page.locator("img[onerror]").count() == 0


def test_a_model_that_can_not_be_read_is_not_said_to_have_nothing_live(visitor):
    visitor.log_in("admin")
    visitor.open(f"{MODELS}?model=damaged")
    visitor.see("It can't be told what is live")
    visitor.keep("damaged")
    assert visitor.page.get_by_text("Nothing is live").count() == 0


@pytest.mark.parametrize("context", ["light", "dark"], indirect=True)
def test_nothing_is_hard_to_use_for_who_cannot_see_well(visitor):
    visitor.log_in("admin")
    for path, text in (("", "from_tfx"), (f"?model={MODEL}", "is in quarantine")):
        visitor.open(MODELS + path)
        visitor.see(text)
        if path:
            button(visitor, "Details of 20130301000000").click()
            visitor.see("auc is 0.73")
        found = Axe().run(visitor.page, context="main > div, [role=main]").response["violations"]
        assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []


def test_a_viewer_may_look_and_press_nothing(visitor):
    visitor.log_in("vic")
    visitor.open(f"{MODELS}?model={MODEL}")
    button(visitor, "Roll back 20130301000000").wait_for()
    visitor.keep("viewer")
    for name in ("Roll back 20130301000000", "Release 20130401000000", "Pin 20130201000000"):
        assert button(visitor, name).is_disabled()


def test_a_dialog_is_used_with_the_keyboard_alone_and_left_by_escape(visitor, installation):
    visitor.log_in("admin")
    visitor.open(f"{MODELS}?model={MODEL}")
    button(visitor, "Roll back 20130301000000").focus()
    visitor.page.keyboard.press("Enter")
    visitor.page.get_by_label("Reason").wait_for()
    visitor.page.wait_for_function("document.activeElement.tagName === 'TEXTAREA'")
    visitor.page.keyboard.type("no")
    assert button(visitor, "Roll back").last.is_disabled()
    visitor.page.keyboard.press("Escape")
    visitor.page.get_by_label("Reason").wait_for(state="detached")
    assert ServingFolder(installation.serving_root / MODEL).live().number == 20130301000000


@pytest.fixture
def changing(installation):
    """A model that a test may change, live, kept and on hold; the others are for all tests."""
    made = workshop(installation.serving_root, "changing")
    made.publish(2, 3, 4)
    made.rollback("error rate doubled", by="ada")
    yield made.folder
    shutil.rmtree(made.base)


def test_the_threshold_of_a_first_evaluation_is_drawn(visitor, installation):
    first = workshop(installation.serving_root, "changing_first")
    model = first.model("graph", 2)
    bound = {"metric": "auc", "observed": 0.7, "bound": Bound(lower=0.6)}
    finding = Finding("value_threshold", True, "auc is 0.7", **bound)
    first.push(model, [first.bless(model, findings=(finding,)), first.bless(model, "infra")])
    visitor.log_in("admin")
    visitor.open(f"{MODELS}?model=changing_first")
    visitor.see("≥ 0.6", exact=True)
    line = visitor.page.locator("svg polyline[stroke-dasharray='6 4']").first
    ends = [point.split(",") for point in line.get_attribute("points").split()]
    assert len(ends) == 2
    assert ends[0][0] != ends[1][0]
    assert ends[0][1] == ends[1][1]
    visitor.keep("first evaluation")
    shutil.rmtree(first.base)


def press(visitor, label, version=""):
    """Press a button of the model `changing`, give a reason, and press again."""
    button(visitor, f"{label} {version}".strip()).click()
    visitor.page.get_by_label("Reason").fill(f"complaints since noon {EVIL}")
    button(visitor, label).last.click()


def test_a_rollback_by_the_button_goes_back_says_so_and_shows_it(visitor, changing):
    visitor.log_in("admin")
    visitor.open(f"{MODELS}?model=changing")
    press(visitor, "Roll back", "20130301000000")
    visitor.see("Done", exact=True)
    visitor.see("The version before 20130301000000 becomes live.")  # what was asked, not the next
    visitor.keep("rolled_back")
    button(visitor, "Close").click()
    button(visitor, "Roll back 20130201000000").wait_for()
    assert changing.live().number == 20130201000000
    withdrawal = changing.record(20130301000000).withdrawal
    assert (withdrawal.reason, withdrawal.by) == (f"complaints since noon {EVIL}", "admin")


def test_a_pin_is_set_and_its_dialog_is_about_it_until_it_is_closed(visitor, changing):
    visitor.log_in("admin")
    visitor.open(f"{MODELS}?model=changing")
    for label, after in (("Pin", "Unpin"), ("Unpin", "Pin")):
        press(visitor, label, "20130201000000")
        visitor.see("Done", exact=True)
        title = f"{label} 20130201000000"
        assert visitor.page.get_by_role("heading", name=title, exact=True).is_visible()
        assert len(changing.pins().entries) == (label == "Pin")
        button(visitor, "Close").click()
        button(visitor, f"{after} 20130201000000").wait_for()


def test_a_dag_that_is_paused_is_named_and_not_waited_for_in_silence(
    visitor, changing, installation
):
    visitor.log_in("admin")
    visitor.open(f"{MODELS}?model=changing")
    with installation.log_in("admin") as client:
        pause(client, is_paused=True)
        press(visitor, "End the hold")
        visitor.see("imprimatur_resume is paused")
        visitor.keep("paused")
        assert changing.hold() is not None
        pause(client, is_paused=False)
    visitor.see("Done", exact=True)
    button(visitor, "Close").click()
    button(visitor, "End the hold").wait_for(state="detached")


def pause(client, *, is_paused):
    body = {"is_paused": is_paused}
    client.patch("/api/v2/dags/imprimatur_resume", json=body).raise_for_status()


def test_a_refused_rollback_is_not_called_done(visitor, installation):
    folder = ServingFolder(installation.serving_root / "secret")
    visitor.log_in("admin")
    visitor.open(f"{MODELS}?model=secret")
    button(visitor, "Roll back 20130201000000").click()
    visitor.page.get_by_label("Reason").fill("there is no other version")
    button(visitor, "Roll back").last.click()
    visitor.see("It was refused, and nothing has changed")
    visitor.see("push another model first. See its log.")
    visitor.keep("refused")
    assert folder.live().number == 20130201000000
