"""The page of a blessing, read as HTML."""

import os
from html.parser import HTMLParser

from components.blessing_page import blessing_page
from components.records import Blessing, Finding, Subject, Validator

EVIL = "<script>alert(1)</script>"


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.names.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_it_names_the_failures_first_and_escapes_what_models_and_servers_say(tmp_path):
    (tmp_path / "server-1.log").write_text(EVIL + "\n" + "x" * 100_000 + "the end")
    page = read(tmp_path)
    assert "script" not in page.names
    assert f"it answers {EVIL}" in page.text
    assert page.text.index("it answers") < page.text.index("it loads")
    assert "0.1235" in page.text
    assert "the end" in page.text
    assert len(page.text) < 80_000


def test_a_log_that_leads_elsewhere_is_not_shown(tmp_path):
    secret = tmp_path / "airflow.cfg"
    secret.write_text("the key of all sessions")
    artifact = tmp_path / "artifact"
    artifact.mkdir()
    (artifact / "linked.log").symlink_to(secret)
    (artifact / "folder.log").mkdir()
    os.mkfifo(artifact / "pipe.log")  # to open it would wait for ever
    assert "the key" not in read(artifact).text


def read(directory):
    blessing = Blessing(
        kind="infra",
        blessed=False,
        subject=Subject("model", "sha256:abc"),
        findings=(
            Finding("loads", True, "it loads"),
            Finding("answers", False, f"it answers {EVIL}", observed=0.123456),
        ),
        validator=Validator("test", "1"),
        issued_at="2026-01-01T00:00:00Z",
    )
    page = Tags()
    page.feed(blessing_page(blessing, directory))
    return page
