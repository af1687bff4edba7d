"""Mirror and pull through a real HTTP S3 endpoint (moto's server, s3fs), and through a disk."""

import dataclasses
import json
from pathlib import Path

import pytest

from components import artifacts, pusher
from components.errors import (
    ConfigurationError,
    PushError,
)
from components.pusher import bucket as buckets
from components.pusher.__main__ import main
from components.serving_folder import ServingFolder

KEY = b"k" * 32


@pytest.fixture
def replica(workshop):
    return workshop.directory / "replica" / "flight_delays"


def mirror(workshop, url):
    return pusher.mirror(base_directory=str(workshop.base), to=url)


def pull(url, replica, **options):
    return pusher.pull(source=url, base_directory=str(replica), **options)


def change(url, name, data):
    """Write into the bucket by hand."""
    buckets.open_bucket(url).write(name, data)


def test_what_is_live_goes_to_the_bucket_and_from_there_to_another_folder(
    workshop, any_url, replica
):
    pushed = workshop.publish(2, 3)[-1]

    mirrored = mirror(workshop, any_url)
    pulled = pull(any_url, replica)

    assert (mirrored.outcome, mirrored.version) == ("mirrored", pushed.version)
    assert (pulled.outcome, pulled.version, pulled.digest) == (
        "pushed",
        pushed.version,
        pushed.digest,
    )
    assert artifacts.digest(pulled.uri) == pushed.digest
    assert pulled.blessings == pushed.blessings
    assert pulled.window == pushed.window
    assert sorted(path.name for path in replica.iterdir()) == [".imprimatur", pushed.version]


def test_both_may_be_repeated(workshop, any_url, replica):
    workshop.publish(2)
    mirror(workshop, any_url)
    pull(any_url, replica)

    assert mirror(workshop, any_url).outcome == "already_mirrored"
    assert pull(any_url, replica).outcome == "already_live"


def test_the_layout_of_the_bucket(workshop, url):
    pushed = workshop.publish(2)[0]
    mirror(workshop, url)
    bucket = buckets.open_bucket(url)

    found = sorted(
        path.split("flight_delays/")[-1] for path in bucket.file_system.find(bucket.root)
    )
    assert [name for name in found if not name.endswith(".lock")] == [
        "live.json",
        "records/20130201000000.json",
        f"versions/{pushed.digest}/saved_model.pb",
        f"versions/{pushed.digest}/variables/variables.data-00000-of-00001",
        f"versions/{pushed.digest}/variables/variables.index",
    ]
    pointer = json.loads(bucket.read("live.json"))
    assert (pointer["version"], pointer["digest"]) == (pushed.version, pushed.digest)


def test_a_rollback_travels_too(workshop, any_url, replica):
    for month in (2, 3, 4):
        workshop.publish(month)
        mirror(workshop, any_url)
        pull(any_url, replica)
    workshop.rollback(hold=False)
    workshop.rollback(hold=False)

    mirror(workshop, any_url)
    pulled = pull(any_url, replica)

    assert pulled.version == "20130201000000"
    assert ServingFolder(replica).live().number == 20130201000000
    assert sorted(path.name for path in replica.iterdir()) == [
        ".imprimatur",
        "20130201000000",
        "20130301000000.withdrawn",
        "20130401000000.withdrawn",
    ]
    for number in (20130301000000, 20130401000000):
        withdrawal = ServingFolder(replica).record(number).withdrawal
        assert (withdrawal.cause, withdrawal.to_version) == ("rollback", "20130201000000")


def test_a_rollback_to_what_is_gone_here_gets_a_new_number(workshop, url, replica):
    workshop.publish(2)
    mirror(workshop, url)
    workshop.publish(3)
    first = ServingFolder(workshop.base).live()
    bucket = buckets.open_bucket(url)
    old = bucket.read("live.json")
    mirror(workshop, url)
    pull(url, replica)

    change(url, "live.json", old)
    pulled = pull(url, replica)
    workshop.publish(4)
    mirror(workshop, url)

    assert first.number == 20130301000000
    assert pulled.version == "20130301000001"
    assert pulled.window.end == "2013-02-01T00:00:00Z"
    assert pull(url, replica).version == "20130401000000"


def test_a_new_model_after_a_rollback(workshop, url, replica):
    workshop.publish(2, 3)
    mirror(workshop, url)
    pull(url, replica)
    workshop.rollback(hold=False)
    workshop.push(workshop.model("better", 3))
    mirror(workshop, url)

    assert pull(url, replica).version == "20130301000001"


def test_old_versions_are_removed_from_the_local_folder(workshop, url, replica):
    for month in (2, 3, 4, 5):
        workshop.publish(month)
        mirror(workshop, url)
        pull(url, replica, keep_versions=2)

    assert [version.number for version in ServingFolder(replica).versions()] == [
        20130401000000,
        20130501000000,
    ]


def test_what_retention_removed_here_is_removed_from_the_bucket(workshop, any_url, replica):
    for month in (2, 3, 4, 5):
        workshop.push(workshop.model(f"graph {month}", month), keep_versions=2)
        mirror(workshop, any_url)
    bucket = buckets.open_bucket(any_url)

    found = bucket.file_system.find(bucket.root)

    kept = [version.digest for version in workshop.folder.versions()]
    assert {part for path in found for part in path.split("/") if part[:7] == "sha256:"} == {*kept}
    records = [path for path in found if "/records/" in path]
    assert [Path(path).stem for path in sorted(records)] == ["20130401000000", "20130501000000"]
    assert pull(any_url, replica).version == "20130501000000"


def test_bytes_that_came_again_stay_in_the_bucket(workshop, url, replica):
    workshop.publish(2)
    model = workshop.model("graph 3", 3)
    workshop.push(model)
    mirror(workshop, url)
    for version in (20130301000000, 20130301000001, 20130301000002):
        workshop.rollback(hold=False)
        pusher.release(base_directory=str(workshop.base), version=version)
        workshop.push(model)
        mirror(workshop, url)

    assert workshop.folder.record(20130301000000).state == "removed"
    assert pull(url, replica).digest == model.digest


def test_a_bucket_that_lets_nothing_be_removed_is_mirrored_to_all_the_same(
    workshop, url, monkeypatch
):
    def refuse(*_):
        raise PushError("not allowed")

    monkeypatch.setattr(buckets.Bucket, "remove_folder", refuse)
    for month in (2, 3, 4):
        workshop.push(workshop.model(f"graph {month}", month), keep_versions=2)
        assert mirror(workshop, url).outcome == "mirrored"


def test_a_local_hold_or_quarantine_is_respected(workshop, url, replica):
    for month in (2, 3):
        workshop.publish(month)
        mirror(workshop, url)
        pull(url, replica)
    pusher.rollback(base_directory=str(replica), reason="bad on this machine")

    assert pull(url, replica).check == "hold"
    pusher.resume(base_directory=str(replica))
    assert pull(url, replica).check == "quarantined"
    assert ServingFolder(replica).live().number == 20130201000000


def test_an_empty_bucket_is_a_fault_and_nothing_live_an_error(workshop, url, replica):
    with pytest.raises(PushError, match="points to nothing yet"):
        pull(url, replica)
    assert not replica.exists()
    with pytest.raises(ConfigurationError, match="nothing is live"):
        mirror(workshop, url)


def test_a_foreign_version_is_not_mirrored(workshop, url):
    workshop.write_model(workshop.base / "1700000000", "by TFX")

    with pytest.raises(ConfigurationError, match="not pushed by Imprimatur"):
        mirror(workshop, url)


def test_two_mirrors_never_undo_each_other(workshop, any_url, replica, monkeypatch):
    """While one uploads, something newer is pushed and mirrored: the pointer must not go back."""
    from components.pusher import bucket_mirror

    workshop.publish(2)
    upload, calls = bucket_mirror._upload_files, []

    def interrupted(*arguments):
        upload(*arguments)
        calls.append(1)
        if len(calls) == 1:
            workshop.publish(3)
            assert mirror(workshop, any_url).version == "20130301000000"

    monkeypatch.setattr(bucket_mirror, "_upload_files", interrupted)
    result = mirror(workshop, any_url)

    assert (result.outcome, result.version) == ("already_mirrored", "20130301000000")


def test_what_became_live_during_the_upload_is_mirrored(workshop, url, monkeypatch):
    from components.pusher import bucket_mirror

    workshop.publish(2)
    upload, calls = bucket_mirror._upload_files, []

    def interrupted(*arguments):
        upload(*arguments)
        calls.append(1)
        if len(calls) == 1:
            workshop.publish(3)

    monkeypatch.setattr(bucket_mirror, "_upload_files", interrupted)

    assert mirror(workshop, url).version == "20130301000000"


def test_a_pointer_moved_by_another_machine_is_not_overwritten(workshop, any_url):
    bucket = buckets.open_bucket(any_url)
    assert bucket.replace("live.json", b"first", None)
    tag = bucket.tag("live.json")
    assert bucket.replace("live.json", b"second", tag)

    assert not bucket.replace("live.json", b"third", tag)
    assert not bucket.replace("live.json", b"third", None)
    assert bucket.read("live.json") == b"second"
    bucket.file_system.rm_file(bucket.path("live.json"))
    assert not bucket.replace("live.json", b"third", tag)


def test_a_mirror_that_always_comes_too_late_is_a_fault(workshop, url, monkeypatch):
    workshop.publish(2)
    monkeypatch.setattr(buckets.Bucket, "replace", lambda *_: False)

    with pytest.raises(PushError, match="changed 10 times"):
        mirror(workshop, url)


def test_the_command_lines(workshop, any_url, replica, capfdbinary):
    workshop.publish(2)

    assert main(["mirror", str(workshop.base), "--to", any_url]) == 0
    assert json.loads(capfdbinary.readouterr().out.splitlines()[-1])["outcome"] == "mirrored"
    assert main(["pull", "--from", any_url, "--base-directory", str(replica)]) == 0
    assert json.loads(capfdbinary.readouterr().out.splitlines()[-1])["version"] == "20130201000000"


def test_pull_can_go_on_for_ever(workshop, url, replica, monkeypatch):
    from components.pusher import __main__ as program

    class Enough(Exception):
        pass

    rounds = []

    def sleep(seconds):
        rounds.append(seconds)
        if len(rounds) == 1:
            workshop.publish(2)
            mirror(workshop, url)
        elif len(rounds) == 2:
            raise Enough

    monkeypatch.setattr(program.time, "sleep", sleep)
    with pytest.raises(Enough):
        main(["pull", "--from", url, "--base-directory", str(replica), "--every", "5"])

    assert rounds == [5, 5]
    assert ServingFolder(replica).live().number == 20130201000000


def test_a_record_survives_json(workshop, url):
    workshop.publish(2)
    mirror(workshop, url)
    pointer = buckets.Pointer.from_json(json.loads(buckets.open_bucket(url).read("live.json")))

    assert dataclasses.replace(pointer) == pointer
    assert buckets.Pointer.from_json(pointer.to_json()) == pointer
