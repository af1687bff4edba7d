"""Which version answers while folders come, break and go; TensorFlow Serving's transitions."""

import threading

import pytest

from components.errors import InvalidModelError


class FakeServable:
    def __init__(self, path, number):
        if (path / "broken").exists():
            raise InvalidModelError("broken bytes")
        if (path / "odd").exists():
            raise KeyError("odd bytes")
        self.number = number
        self.is_closed = False

    def close(self):
        self.is_closed = True


class Folder:
    """A base path, and the model that is served from it; its clock stands still."""

    def __init__(self, path, **retries):
        from components.model_server.served_model import LoadRetries, ServedModel

        self.path = path
        self.loads = []
        self.now = 1000.0
        self.model = ServedModel(
            "m", path, self._load, retries=LoadRetries(**retries), clock=lambda: self.now
        )

    def _load(self, path, number):
        self.loads.append(number)
        return FakeServable(path, number)

    def add(self, name, *, broken=False):
        (self.path / name).mkdir()
        if broken:
            (self.path / name / "broken").touch()
        self.model.poll()

    def take(self, name):
        (self.path / name).rename(self.path / f"{name}.withdrawn")
        self.model.poll()

    def answering(self):
        with self.model.lease(None) as servable:
            return servable.number

    def states(self):
        return {status.number: status.state.name for status in self.model.statuses()}


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def test_the_newest_version_answers_and_the_old_one_ends(folder):
    folder.add("1")
    folder.add("20130801000000")
    assert folder.answering() == 20130801000000
    assert folder.states() == {20130801000000: "AVAILABLE", 1: "END"}


def test_of_several_at_the_start_only_the_newest_is_loaded(folder):
    (folder.path / "9").mkdir()
    folder.add("10")
    assert folder.loads == [10]


def test_an_older_version_that_comes_later_changes_nothing(folder):
    folder.add("5")
    folder.add("4")
    assert (folder.answering(), folder.loads) == (5, [5])


def test_a_broken_new_version_leaves_the_old_one_and_is_not_tried_again(folder):
    folder.add("1")
    folder.add("2", broken=True)
    folder.model.poll()
    assert folder.answering() == 1
    assert folder.loads == [1, 2]
    newest = folder.model.statuses()[0]
    assert (newest.number, newest.state.name, newest.message) == (2, "END", "broken bytes")


def test_a_version_that_raises_anything_leaves_the_old_one(folder):
    folder.add("1")
    (folder.path / "2").mkdir()
    (folder.path / "2" / "odd").touch()
    folder.model.poll()
    assert folder.answering() == 1
    assert folder.states() == {2: "END", 1: "AVAILABLE"}


def test_a_load_that_failed_is_tried_again_as_often_as_was_asked(tmp_path):
    folder = Folder(tmp_path, max_num_retries=2, interval_seconds=60)
    folder.add("1", broken=True)
    folder.model.poll()
    assert (folder.loads, folder.states()) == ([1], {1: "LOADING"})
    assert folder.model.settled() is None
    for count in (2, 3, 3):
        folder.now += 60
        folder.model.retry()
        assert len(folder.loads) == count
    assert folder.model.settled().state.name == "END"


def test_a_load_that_is_tried_again_may_succeed(tmp_path):
    folder = Folder(tmp_path, max_num_retries=1, interval_seconds=60)
    folder.add("1", broken=True)
    (tmp_path / "1" / "broken").unlink()
    folder.now += 59
    folder.model.poll()
    assert folder.loads == [1]
    folder.now += 1
    folder.model.poll()
    assert folder.answering() == 1
    assert folder.model.settled().state.name == "AVAILABLE"


def test_a_version_that_goes_while_it_is_tried_again_is_cancelled(tmp_path):
    folder = Folder(tmp_path, max_num_retries=5)
    folder.add("1")
    folder.add("2", broken=True)
    folder.take("2")
    newest = folder.model.statuses()[0]
    assert (newest.state.name, newest.code.name) == ("END", "CANCELLED")
    folder.now += 1000
    folder.model.poll()
    assert (folder.loads, folder.answering()) == ([1, 2], 1)


def test_nothing_is_settled_without_a_version(folder):
    folder.model.poll()
    assert folder.model.settled() is None


def test_a_version_that_goes_and_comes_back_is_tried_anew(folder):
    folder.add("1")
    folder.add("2", broken=True)
    folder.take("2")
    folder.add("2")
    assert folder.answering() == 2


def test_a_withdrawn_version_gives_way_to_the_one_below(folder):
    folder.add("1")
    folder.add("2")
    folder.take("2")
    assert folder.answering() == 1


def test_an_empty_folder_unloads_and_a_missing_one_does_not(folder):
    from components.model_server.status import RequestError

    folder.add("1")
    away = folder.path.rename(folder.path.parent / "away")
    folder.model.poll()
    assert folder.answering() == 1
    away.rename(folder.path)
    folder.take("1")
    with pytest.raises(RequestError, match=r"Servable not found for request: Latest\(m\)"):
        folder.answering()


@pytest.mark.parametrize(
    "name", ["1.withdrawn", ".imprimatur", "v3", "1e3", "99999999999999999999"]
)
def test_other_names_are_no_versions(folder, name):
    folder.add("1")
    folder.add(name)
    assert list(folder.states()) == [1]


@pytest.mark.parametrize(("name", "number"), [("00000123", 123), ("+4", 4), ("0", 0)])
def test_whole_names_that_are_numbers_are_versions(folder, name, number):
    folder.add(name)
    assert folder.answering() == number


def test_an_unload_waits_for_the_requests_that_run(folder):
    folder.add("1")
    with folder.model.lease(None) as servable:
        polling = threading.Thread(target=folder.add, args=("2",))
        polling.start()
        while folder.states().get(1) == "AVAILABLE":
            polling.join(0.01)
        polling.join(0.1)
        assert not servable.is_closed
    polling.join()
    assert servable.is_closed
