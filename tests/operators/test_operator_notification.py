"""Notices, sent to a real HTTP server by Apprise."""

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from components.records import Finding, Refusal
from operators.notification import ImprimaturNotifier
from tests.operators.contexts import make_context

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # Apprise's import


def refused(check: str, *messages: str) -> dict[str, Any]:
    findings = tuple(Finding(check, False, message) for message in messages)
    context = make_context("pusher")
    context["ti"].xcom_push(key="refusal", value=Refusal(findings).to_json())
    return context


def test_a_refusal_is_told_with_three_findings_and_a_link(inbox):
    ImprimaturNotifier()(refused("not_blessed", "first", "second", "third", "fourth", "fifth"))
    (notice,) = inbox
    assert notice["title"] == "flight_delays: pusher refused (not_blessed)"
    lines = notice["message"].splitlines()
    assert lines[:4] == ["- first", "- second", "- third", "- and 2 more"]
    assert lines[-1] == (
        "https://airflow.example/prefix/dags/flight_delays/runs/"
        "manual__2013-01-01T00%3A00%3A00%2B00%3A00/tasks/pusher"
    )


def test_what_somebody_asked_for_is_no_news(inbox):
    ImprimaturNotifier()(refused("policy", "push_policy is never"))
    assert inbox == []


def test_a_failure_is_told_with_its_error(inbox):
    context = make_context("trainer", exception=AirflowFailException("no such column"))
    ImprimaturNotifier()(context)
    assert inbox[0]["title"] == "flight_delays: trainer failed"
    assert inbox[0]["message"].startswith("- no such column\n")


def test_data_that_are_too_old_are_told_as_such(inbox):
    context = make_context("freshness", exception=AirflowFailException("too old"))
    finding = Finding("freshness", False, "flights: the data end 50 hours ago")
    context["ti"].xcom_push(key="finding", value=finding.to_json())
    ImprimaturNotifier()(context)
    assert inbox[0]["title"] == "flight_delays: freshness data too old"
    assert "50 hours ago" in inbox[0]["message"]


@pytest.mark.parametrize("url", ["json://127.0.0.1:9/", "nonsense"])
def test_a_notice_that_cannot_be_sent_is_a_warning_without_the_address(monkeypatch, caplog, url):
    monkeypatch.setenv("IMPRIMATUR_NOTIFY", url)
    ImprimaturNotifier()(refused("hold", "on hold"))
    warning = caplog.records[-1].getMessage()
    assert "not everybody in IMPRIMATUR_NOTIFY was told" in warning
    assert url not in warning


def test_without_a_setting_nobody_is_told(monkeypatch, inbox):
    monkeypatch.setenv("IMPRIMATUR_NOTIFY", "")
    ImprimaturNotifier()(refused("hold", "on hold"))
    assert inbox == []
