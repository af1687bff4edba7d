"""A push or pull that is interrupted by an exception: SIGTERM, `on_kill`, an error of the disk.

Unlike SIGKILL it lets the process tidy up, which must not make things worse.
"""

import itertools

import pytest

from components import pusher
from components.pusher import disk


class Interruption(BaseException):
    """What a signal handler raises."""


class Countdown:
    """Raises at the step with this number; counts all."""

    def __init__(self, at=None):
        self.at, self.seen = at, 0

    def __call__(self, step, path):
        self.seen += 1
        if self.seen == self.at:
            raise Interruption


@pytest.fixture
def interrupt(monkeypatch):
    def at(number):
        countdown = Countdown(number)
        monkeypatch.setattr(disk, "_observers", [countdown])
        return countdown

    return at


def test_a_push_that_was_interrupted_at_any_step_succeeds_when_retried(workshop, interrupt):
    workshop.publish(2)

    for number in itertools.count(1):
        model = workshop.model(f"model {number}", 3)
        run = workshop.run(run_id=f"run {number}")
        interrupt(number)
        try:
            workshop.push(model, run=run)
        except Interruption:
            interrupt(None)
        else:
            break

        again = workshop.push(model, run=run)

        assert again.outcome == "pushed", number
        assert workshop.folder.live().trained_digest == model.digest
        assert all("staging" not in path.name for path in workshop.folder.state_directory.iterdir())
    assert number > 20


def test_a_pull_that_was_interrupted_at_any_step_burns_no_number(workshop, interrupt):
    pushed = workshop.publish(2)[0]
    url = f"file://{workshop.directory}/bucket"
    pusher.mirror(base_directory=str(workshop.base), to=url)
    steps = interrupt(None)
    pusher.pull(source=url, base_directory=str(workshop.directory / "replica 0"))

    for number in range(1, steps.seen + 1):
        replica = str(workshop.directory / f"replica {number}")
        interrupt(number)
        with pytest.raises(Interruption):
            pusher.pull(source=url, base_directory=replica)
        interrupt(None)

        assert pusher.pull(source=url, base_directory=replica).version == pushed.version
