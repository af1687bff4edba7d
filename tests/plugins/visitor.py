"""A person in front of Airflow's page."""

import os
from pathlib import Path

PATIENCE = 180_000.0
SCREENSHOTS = os.environ.get("IMPRIMATUR_SCREENSHOTS")
"""A directory that keeps what was seen, to be looked at; default: the test's own."""


class Visitor:
    """A person with a browser; fails the test if a page prints errors or opens an alert."""

    def __init__(self, page, address, password_of, screenshots):
        self.page = page
        self.address = address
        self.password_of = password_of
        self.screenshots = Path(SCREENSHOTS or screenshots)
        self.complaints = []
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (self.complaints.append("alert"), dialog.dismiss()))

    def log_in(self, user):
        self.page.goto(self.address + "/")
        self.page.locator("input[name=username]").fill(user)
        self.page.locator("input[name=password]").fill(self.password_of(user))
        self.page.keyboard.press("Enter")
        self.page.get_by_role("link", name="Models").wait_for()
        self.page.on("console", self._read)

    def open(self, path):
        self.page.goto(self.address + path)

    def see(self, text, **options):
        self.page.get_by_text(text, **options).first.wait_for()

    def keep(self, name):
        self.page.screenshot(path=self.screenshots / f"{name}.png", full_page=True)

    def expect_complaint(self, text):
        """Take one line of the console as it should be, for instance of a form that is refused."""
        self.complaints.remove(text)

    def _read(self, message):
        # Chromium asks again where another test's containers came or went.
        if message.type == "error" and "ERR_NETWORK_CHANGED" not in message.text:
            self.complaints.append(message.text)


def button(visitor, name):
    return visitor.page.get_by_role("button", name=name)
