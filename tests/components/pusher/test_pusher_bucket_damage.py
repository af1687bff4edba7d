"""A bucket that holds something else than it says, or can't be used."""

import hashlib
import json
from pathlib import Path

import pytest

from components import pusher, signing
from components.artifacts import FileEntry, Manifest
from components.errors import (
    ArtifactError,
    ConfigurationError,
    InvalidModelError,
    PushError,
    RecordError,
)
from components.pusher import bucket as buckets
from components.pusher import bucket_mirror, bucket_pull

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


def test_a_damaged_live_version_is_not_mirrored(workshop, url):
    pushed = workshop.publish(2)[0]
    (Path(pushed.uri) / "saved_model.pb").write_text("GRAPH 2")

    with pytest.raises(InvalidModelError, match="pusher lint"):
        mirror(workshop, url)
    assert buckets.open_bucket(url).read("live.json") is None


@pytest.mark.parametrize("damage", ["changed", "missing", "longer", "shorter"])
def test_damaged_objects_are_not_published(workshop, url, replica, damage):
    workshop.publish(2)
    mirror(workshop, url)
    pull(url, replica)
    pushed = workshop.publish(3)[0]
    mirror(workshop, url)
    bucket = buckets.open_bucket(url)
    name = f"versions/{pushed.digest}/saved_model.pb"
    data = bucket.read(name)
    if damage == "missing":
        bucket.file_system.rm_file(bucket.path(name))
    else:
        change(url, name, {"changed": b"GRAPH 3", "longer": data * 9, "shorter": b""}[damage])

    with pytest.raises((InvalidModelError, PushError), match=r"saved_model\.pb"):
        pull(url, replica)

    assert sorted(path.name for path in replica.iterdir()) == [".imprimatur", "20130201000000"]
    assert not list((replica / ".imprimatur").glob("staging-*"))


@pytest.mark.parametrize("path", ["../../escaped", "/escaped", "a//b", "./a", "a/../../b", ""])
def test_a_record_cannot_name_files_outside(workshop, url, replica, path):
    workshop.publish(2)
    mirror(workshop, url)
    forge(url, path=path)

    with pytest.raises(ArtifactError, match="name"):
        pull(url, replica)

    assert not (replica / ".imprimatur" / "escaped").exists()
    assert not Path("/escaped").exists()


def forge(url, *, path=None, **changes):
    """Rewrite record and pointer so that they agree with each other."""
    bucket = buckets.open_bucket(url)
    pointer = json.loads(bucket.read("live.json"))
    record = json.loads(bucket.read(pointer["record"]))
    record.update(changes)
    if path is not None:
        record["manifest"] = f"{'0' * 64} 1 {path}\n"
        digest = "sha256:" + hashlib.sha256(record["manifest"].encode()).hexdigest()
        record["digest"] = pointer["digest"] = digest
    data = json.dumps(record).encode()
    change(url, pointer["record"], data)
    pointer["record_sha256"] = hashlib.sha256(data).hexdigest()
    change(url, "live.json", json.dumps(pointer).encode())


def test_a_record_that_the_pointer_does_not_name_is_refused(workshop, url, replica):
    workshop.publish(2)
    mirror(workshop, url)
    change(url, "records/20130201000000.json", b"{}")

    with pytest.raises(InvalidModelError, match="isn't what the pointer names"):
        pull(url, replica)


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"type": "Pointer", "schema_version": 2}'])
def test_a_damaged_pointer_is_an_error(url, replica, data):
    change(url, "live.json", data)

    with pytest.raises((RecordError, ConfigurationError)):
        pull(url, replica)


def test_with_a_key_blessings_must_be_signed(workshop, url, replica):
    model = workshop.model()
    signed = [signing.sign(blessing, KEY) for blessing in workshop.blessings(model)]
    workshop.push(model, signed)
    mirror(workshop, url)

    assert pull(url, replica, signing_key=KEY).outcome == "pushed"
    other = pull(url, replica.with_name("other"), signing_key=KEY[::-1] + b"x")
    assert other.check == "bad_signature"
    assert [path.name for path in replica.with_name("other").iterdir()] == [".imprimatur"]


def replace_record(url, **changes):
    """Replace the record and what names it, as somebody could who may write to the bucket."""
    bucket = buckets.open_bucket(url)
    pointer = json.loads(bucket.read("live.json"))
    record = json.loads(bucket.read(pointer["record"]))
    record.update(changes)
    data = json.dumps(record).encode()
    bucket.write(pointer["record"], data)
    pointer.update(digest=record["digest"], record_sha256=hashlib.sha256(data).hexdigest())
    bucket.write("live.json", json.dumps(pointer).encode())


def upload(url, files):
    """Upload files of somebody's own; return what a record says of them."""
    entries = tuple(
        FileEntry(path, len(data), hashlib.sha256(data).hexdigest()) for path, data in files.items()
    )
    manifest = Manifest(entries)
    for path, data in files.items():
        buckets.open_bucket(url).write(f"versions/{manifest.digest}/{path}", data)
    return {"manifest": manifest.text, "digest": manifest.digest}


@pytest.mark.parametrize("claims", ["trained too", "warm-up only"])
def test_bytes_that_nobody_blessed_are_not_pulled(workshop, url, replica, claims):
    model = workshop.model()
    workshop.push(model, [signing.sign(blessing, KEY) for blessing in workshop.blessings(model)])
    mirror(workshop, url)
    forged = upload(url, {"saved_model.pb": b"evil", "variables/variables.index": b"x"})
    if claims == "trained too":
        forged["trained_digest"] = forged["digest"]
    replace_record(url, **forged)

    refused = pull(url, replica, signing_key=KEY)

    assert refused.check == "other_bytes"
    assert [path for path in replica.iterdir() if path.name != ".imprimatur"] == []


def test_negative_blessings_are_not_pulled_even_if_signed(workshop, url, replica):
    model = workshop.model()
    workshop.push(model)
    mirror(workshop, url)
    negative = workshop.bless(model, blessed=False, findings=(workshop.failure(),))
    blessings = [negative, workshop.bless(model, "infra")]
    signed = [signing.sign(blessing, KEY).to_json() for blessing in blessings]
    replace_record(url, blessings=signed)

    assert pull(url, replica, signing_key=KEY).check == "not_blessed"


def test_a_kind_of_blessing_may_be_asked_for(workshop, url, replica):
    model = workshop.model()
    workshop.push(model, [workshop.bless(model, "infra")], required_kinds=["infra"])
    mirror(workshop, url)

    assert pull(url, replica).check == "blessing_missing"
    assert pull(url, replica, required_kinds=["infra"]).outcome == "pushed"


def test_a_pull_looks_again_once_it_has_the_lock(workshop, url, replica, monkeypatch):
    workshop.publish(2)
    mirror(workshop, url)
    pull(url, replica)
    workshop.publish(3)
    mirror(workshop, url)
    stale = buckets.open_bucket(url).read("live.json")
    workshop.publish(4)
    mirror(workshop, url)
    pull(url, replica)
    current = buckets.open_bucket(url).read("live.json")
    change(url, "live.json", stale)
    take_lock = bucket_pull.locked

    def wait_for_lock(*arguments, **options):
        change(url, "live.json", current)
        return take_lock(*arguments, **options)

    monkeypatch.setattr(bucket_pull, "locked", wait_for_lock)

    assert pull(url, replica).version == "20130401000000"
    assert not (replica / "20130401000000.withdrawn").exists()


def test_a_mirror_begins_again_if_the_version_goes_away(workshop, url, monkeypatch):
    workshop.publish(2, 3)
    upload_file, gone = bucket_mirror._upload, []

    def upload_late(folder, bucket, version, record, **options):
        if not gone:
            gone.append(workshop.rollback())
        return upload_file(folder, bucket, version, record, **options)

    monkeypatch.setattr(bucket_mirror, "_upload", upload_late)

    assert mirror(workshop, url).version == "20130201000000"
    assert json.loads(buckets.open_bucket(url).read("live.json"))["version"] == "20130201000000"


def test_a_store_that_ignores_conditions_is_refused(workshop, s3_url, monkeypatch):
    monkeypatch.setattr(
        buckets.Bucket, "_write_if", lambda self, name, data, tag: self.write(name, data)
    )
    workshop.publish(2)

    with pytest.raises(PushError, match="ignores conditional writes"):
        mirror(workshop, s3_url)
    assert buckets.open_bucket(s3_url).read("live.json.probe") is None


@pytest.mark.parametrize("bad", ["gs://bucket/x", "/srv/models", "memory://x", "http://x/y"])
def test_another_store_is_a_configuration_error(workshop, bad):
    workshop.publish(2)

    with pytest.raises(ConfigurationError, match="s3://BUCKET/PREFIX"):
        mirror(workshop, bad)


def test_a_bucket_that_cannot_be_reached_is_a_fault(workshop, s3_url):
    workshop.publish(2)

    with pytest.raises(PushError, match="can't be used"):
        mirror(workshop, "s3://there-is-no-such-bucket/x")


def test_a_bucket_that_lost_an_object_is_mirrored_anew(workshop, url, replica):
    pushed = workshop.publish(2)[0]
    mirror(workshop, url)
    bucket = buckets.open_bucket(url)
    bucket.file_system.rm_file(bucket.path(f"versions/{pushed.digest}/saved_model.pb"))

    with pytest.raises(PushError, match="mirror --again"):
        pull(url, replica)
    assert mirror(workshop, url).outcome == "mirrored"
    assert pull(url, replica).outcome == "pushed"


def test_a_bucket_with_changed_bytes_is_mirrored_again(workshop, url, replica):
    pushed = workshop.publish(2)[0]
    mirror(workshop, url)
    name = f"versions/{pushed.digest}/saved_model.pb"
    change(url, name, b"x" * len(buckets.open_bucket(url).read(name)))

    with pytest.raises(InvalidModelError, match="mirror --again"):
        pull(url, replica)
    assert mirror(workshop, url).outcome == "already_mirrored"
    again = pusher.mirror(base_directory=str(workshop.base), to=url, again=True)
    assert again.outcome == "mirrored"
    assert pull(url, replica).outcome == "pushed"


@pytest.mark.parametrize("data", [b"\xff", b"[" * 100_000, b"9" * 5000, b"{", b"[]"])
def test_a_pointer_that_is_no_record_is_named(workshop, url, replica, data):
    change(url, "live.json", data)

    with pytest.raises(RecordError, match=r"live\.json is damaged"):
        pull(url, replica)
    workshop.publish(2)
    assert pusher.mirror(base_directory=str(workshop.base), to=url, again=True)
    assert pull(url, replica).outcome == "pushed"


def test_a_recipe_in_quarantine_here_is_not_pulled(workshop, url, replica):
    known = {"module_digest": "sha256:m", "examples_digest": "sha256:e"}
    workshop.publish(2)
    mirror(workshop, url)
    pull(url, replica)
    workshop.push(workshop.model("graph 3", 3, **known))
    mirror(workshop, url)
    pull(url, replica)
    pusher.rollback(base_directory=str(replica), reason="bad", hold=False)
    workshop.push(workshop.model("trained again", 3, **known), allow_older=True)
    mirror(workshop, url)

    assert pull(url, replica).check == "quarantined"


def test_a_number_that_leaves_no_room_is_not_pulled(workshop, url, replica):
    workshop.publish(2)
    mirror(workshop, url)
    replace_record(url, version=str(2**63 - 1))

    with pytest.raises(InvalidModelError, match="leave no number"):
        pull(url, replica)


def test_a_store_that_is_down_is_a_fault(replica, s3_url, monkeypatch):
    """s3fs lets botocore's own errors through, which aren't OSErrors."""
    import s3fs

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3fs.S3FileSystem.clear_instance_cache()

    with pytest.raises(PushError, match="can't be used"):
        pull(s3_url, replica)
    assert not replica.exists()
