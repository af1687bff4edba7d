"""Where two rules match, the first of the list wins."""

import pytest

from components import pusher
from components.errors import ConfigurationError
from components.pusher.lock import locked
from components.pusher.numbering import next_number
from components.pusher.quarantine import recipe_digest
from components.records import Window
from components.serving_records import Quarantine, Quarantined

RULES = (
    "not_blessed",
    "hold",
    "quarantined",
    "already_live",
    "superseded",
    "older_than_live",
    "stale_baseline",
)
IMPOSSIBLE = {
    ("already_live", "superseded"),  # live and not live
    ("already_live", "older_than_live"),  # its window is the live one's
}


class Case:
    """A push against which chosen rules speak."""

    def __init__(self, workshop, rules):
        self.workshop, self.rules = workshop, rules
        self.model = workshop.model("candidate", 2, module_digest="m", examples_digest="e")

    def push(self):
        workshop, model = self.workshop, self.model
        baseline = workshop.baseline()
        if {"already_live", "superseded"} & set(self.rules):
            workshop.push(model)
        if "superseded" in self.rules or {"older_than_live"} & set(self.rules):
            workshop.push(workshop.model("newer", 3))
        elif "stale_baseline" in self.rules and "already_live" not in self.rules:
            workshop.push(workshop.model("meanwhile", 2))
        if "stale_baseline" not in self.rules:
            baseline = workshop.baseline()
        if "quarantined" in self.rules:
            self.quarantine()
        if "hold" in self.rules:
            pusher.hold(base_directory=str(workshop.base), reason="later")
        evaluation = workshop.bless(model, baseline=baseline)
        infra = workshop.bless(model, "infra", "not_blessed" not in self.rules)
        return workshop.push(
            model, [evaluation, infra], allow_older="older_than_live" not in self.rules
        )

    def quarantine(self):
        """By its recipe, so that the bytes themselves are in whatever state is wanted."""
        entry = Quarantined(
            None, None, recipe_digest(self.model), "20120101000000", "bad", "2026-01-01T00:00:00Z"
        )
        with locked(self.workshop.base) as folder:
            folder.write_quarantine(Quarantine((entry,)))


@pytest.mark.parametrize("first", RULES)
def test_each_rule_matches_alone(workshop, first):
    workshop.base.mkdir()
    result = Case(workshop, [first]).push()

    assert getattr(result, "check", None) or result.outcome == first


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (first, second)
        for place, first in enumerate(RULES)
        for second in RULES[place + 1 :]
        if (first, second) not in IMPOSSIBLE
    ],
)
def test_the_first_of_two_matching_rules_wins(workshop, first, second):
    workshop.base.mkdir()
    result = Case(workshop, [first, second]).push()

    assert (getattr(result, "check", None) or result.outcome) == first


@pytest.mark.parametrize(
    ("window", "highest", "number"),
    [
        (Window("2013-01-01", "2013-02-01"), 0, 20130201000000),
        (Window("2013-01-01", "2013-02-01T12:34:56Z"), 0, 20130201123456),
        (Window("2013-01-01", "2013-02-01T01:00:00+02:00"), 0, 20130131230000),
        (Window("2013-01-01", "2013-02-01"), 20130201000000, 20130201000001),
        (Window("2013-01-01", "2013-02-01"), 20130301000000, 20130301000001),
        (Window("2013-01-01", "2013-02-01"), 1_700_000_000, 20130201000000),
        (None, 0, 1),
        (None, 41, 42),
    ],
)
def test_the_number_is_the_window_end_or_the_next_free_one(window, highest, number):
    assert next_number(window=window, highest=highest) == number


def test_a_number_of_ones_own_must_be_above_all_that_were_used():
    assert next_number(window=None, highest=41, wanted=42) == 42
    with pytest.raises(ConfigurationError, match="give 42 or more"):
        next_number(window=None, highest=41, wanted=41)


def test_no_number_is_left_above_the_highest_of_all():
    with pytest.raises(ConfigurationError, match="no 64-bit number is left"):
        next_number(window=None, highest=2**63 - 1)


@pytest.mark.parametrize(
    "version", [0, -1, "", "01", "+1", " 1", "1.0", 1.0, True, "1e3", 2**63, str(2**63), "v1", "٣"]
)
def test_a_version_that_is_no_positive_64_bit_integer_is_a_configuration_error(workshop, version):
    with pytest.raises(ConfigurationError, match="version is"):
        workshop.push(workshop.model(), version=version)

    assert not workshop.base.exists()


def test_a_version_may_be_given(workshop):
    assert workshop.push(workshop.model(), version="7").version == "7"
    with pytest.raises(ConfigurationError, match="give 8 or more"):
        workshop.push(workshop.model("other", 3), version=7)
    assert workshop.push(workshop.model("other", 3), version=2**63 - 1).version == str(2**63 - 1)


def test_a_number_is_not_used_again_after_a_rollback(workshop):
    workshop.publish(2, 3)
    workshop.rollback(hold=False)

    assert workshop.push(workshop.model("better", 3)).version == "20130301000001"


def test_a_number_is_not_used_again_after_retention(workshop):
    for number in (10, 11, 12):
        workshop.push(workshop.model(f"graph {number}", 2), version=number, keep_versions=2)
    for number in (11, 12):
        (workshop.base / str(number)).rename(workshop.directory / f"gone {number}")

    assert workshop.folder.highest_number() == 12
    with pytest.raises(ConfigurationError, match="give 13 or more"):
        workshop.push(workshop.model("again", 2), version=12)
