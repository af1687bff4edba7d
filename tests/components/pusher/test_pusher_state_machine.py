"""A serving folder under any sequence of pushes, rollbacks, crashes and decisions."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from components import artifacts, pusher
from components.pusher import disk
from components.records import PushedModel, Window

DAYS = st.integers(min_value=1, max_value=6)
CONTENTS = st.sampled_from(["a", "b", "c"])


class Killed(BaseException):
    """Stands for SIGKILL: nothing that comes after it changes the folder."""


class Folder(RuleBasedStateMachine):
    """Compares the folder with a model of it in a few lists."""

    workshop_class = None

    @initialize()
    def begin(self):
        memory = Path("/dev/shm")
        self.directory = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
        self.workshop = self.workshop_class(self.directory)
        self.workshop.base.mkdir()
        self.live: list[tuple[int, str, int]] = []
        """Number, content and day of what may be in service, the live one last."""
        self.numbers: set[int] = set()
        self.quarantined: dict[str, set[int]] = {}
        self.seen: set[str] = set()
        self.on_hold = False

    def teardown(self):
        disk.observe(lambda step, path: None)
        shutil.rmtree(self.directory, ignore_errors=True)

    @rule(content=CONTENTS, day=DAYS, allow_older=st.booleans())
    def push(self, content, day, allow_older):
        self.settle(self.try_push(content, day, allow_older), content, day, allow_older)

    @rule(content=CONTENTS, day=DAYS, step=st.integers(min_value=0, max_value=30))
    def push_killed_and_repeated(self, content, day, step):
        self.kill_at(step)
        try:
            result = self.try_push(content, day, False)
        except Killed:
            disk.observe(lambda name, path: None)
            result = self.try_push(content, day, False)
        disk.observe(lambda name, path: None)
        self.settle(result, content, day, False, repeated=True)

    @precondition(lambda self: len(self.live) > 0)
    @rule(hold=st.booleans(), step=st.none() | st.integers(min_value=0, max_value=30))
    def rollback(self, hold, step):
        number, content, _ = self.live[-1]
        run = self.workshop.run(task_id="rollback", run_id=str(len(self.numbers) * 1000 + number))
        if step is not None:
            self.kill_at(step)
        try:
            result = self.workshop.rollback(from_version=number, hold=hold, run=run)
        except Killed:
            disk.observe(lambda name, path: None)
            result = self.workshop.rollback(from_version=number, hold=hold, run=run)
        disk.observe(lambda name, path: None)
        if len(self.live) == 1:
            assert result.check == "policy"
            return
        self.live.pop()
        assert result.version == str(self.live[-1][0])
        self.quarantined.setdefault(content, set()).add(number)
        self.on_hold = self.on_hold or hold

    @precondition(lambda self: self.quarantined)
    @rule(data=st.data())
    def release(self, data):
        content = data.draw(st.sampled_from(sorted(self.quarantined)))
        number = data.draw(st.sampled_from(sorted(self.quarantined[content])))
        pusher.release(base_directory=str(self.workshop.base), version=number)
        self.quarantined[content].discard(number)
        if not self.quarantined[content]:
            del self.quarantined[content]
            self.seen.discard(content)

    @rule()
    def hold(self):
        pusher.hold(base_directory=str(self.workshop.base), reason="x")
        self.on_hold = True

    @rule()
    def resume(self):
        pusher.resume(base_directory=str(self.workshop.base))
        self.on_hold = False

    @rule()
    def leave_rubbish(self):
        state = self.workshop.folder.state_directory
        (state / "staging-dead" / "variables").mkdir(parents=True, exist_ok=True)
        (state / "versions").mkdir(exist_ok=True)
        (state / "versions" / ".1.json.dead.tmp").write_text("{")

    @invariant()
    def what_is_live_is_what_should_be(self):
        live = self.workshop.folder.live()
        if not self.live:
            assert live is None
            return
        number, content, day = self.live[-1]
        assert (live.number, live.window) == (number, self.window(day))
        assert (live.path / "saved_model.pb").read_text() == content
        assert artifacts.digest(live.path) == live.digest

    @invariant()
    def every_visible_number_is_whole_and_has_a_record(self):
        for number, path in self.workshop.folder.numbered():
            record = self.workshop.folder.record(number)
            assert record is not None
            assert artifacts.digest(path) == record.digest

    @invariant()
    def no_number_is_lost(self):
        assert self.workshop.folder.highest_number() == max(self.numbers, default=0)

    def try_push(self, content, day, allow_older):
        return self.workshop.push(
            self.workshop.model(content, window=self.window(day)),
            allow_older=allow_older,
            keep_versions=3,
        )

    def settle(self, result, content, day, allow_older, *, repeated=False):
        """Check the answer against the rules, and take note of what was published."""
        expected = self.expected(content, day, allow_older)
        if not isinstance(result, PushedModel):
            assert result.check == expected
            return
        assert result.outcome == expected or (
            repeated and (result.outcome, expected) == ("already_live", "pushed")
        )
        if expected == "already_live":
            return
        number = int(result.version)
        window_number = int(f"201301{day:02d}000000")
        assert number == max(window_number, max(self.numbers, default=0) + 1)
        self.numbers.add(number)
        self.live.append((number, content, day))
        self.live = self.live[-3:]
        self.seen.add(content)

    def expected(self, content, day, allow_older) -> str:
        rules = (
            (self.on_hold, "hold"),
            (content in self.quarantined, "quarantined"),
            (bool(self.live) and self.live[-1][1] == content, "already_live"),
            (content in self.seen, "superseded"),
            (bool(self.live) and day < self.live[-1][2] and not allow_older, "older_than_live"),
        )
        return next((check for matches, check in rules if matches), "pushed")

    def window(self, day) -> Window:
        return Window("2012-01-01", f"2013-01-{day:02d}")

    def kill_at(self, wanted):
        count = iter(range(10**6))

        def kill(step, path):
            if next(count) >= wanted:
                raise Killed

        disk.observe(kill)


@pytest.mark.parametrize("examples", [20, pytest.param(300, marks=pytest.mark.slow)])
def test_a_folder_under_any_sequence(workshop, examples):
    Folder.workshop_class = type(workshop)
    case = Folder.TestCase
    case.settings = settings(
        max_examples=examples,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    case().runTest()
