"""Handles lead to directories, or to an error that says what is there instead."""

import functools
import hashlib
import http.server
import shutil
import tarfile
import threading
import zipfile

import pytest

from components.errors import InvalidModelError, ServerUnavailableError
from components.saved_model.handle import resolve


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    directory = tmp_path / "cache"
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(directory))
    return directory


@pytest.fixture
def model(tmp_path):
    """What looks like a SavedModel."""
    directory = tmp_path / "model"
    (directory / "variables").mkdir(parents=True)
    (directory / "saved_model.pb").write_bytes(b"graph")
    (directory / "variables/variables.index").write_bytes(b"index")
    return directory


@pytest.fixture
def hub(tmp_path):
    """A server with the protocol of TF Hub: an archive for those who ask for one, else a page."""
    paths = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            paths.append(self.path)
            if self.path.endswith(("?tf-hub-format=compressed", ".tar.gz")):
                super().do_GET()
            else:
                self.send_error(404, "only for people")

        def log_message(self, *arguments):
            pass

    folder = tmp_path / "hub"
    folder.mkdir()
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        server.folder, server.paths = folder, paths
        yield server
        server.shutdown()
        thread.join()


def archive(model, path, inside="."):
    with tarfile.open(path, "w:gz") as opened:
        opened.add(model, inside)
    return path


def files(directory):
    return sorted(str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file())


def test_a_directory_is_itself(model):
    assert resolve(model) == model
    assert resolve(str(model)) == model


@pytest.mark.parametrize("inside", [".", "my_model"])
def test_unpacks_a_tar_archive_once(model, tmp_path, cache, inside):
    packed = archive(model, tmp_path / "model.tar.gz", inside)
    directory = resolve(packed)
    assert files(directory) == files(model)
    assert resolve(packed) == directory
    assert [path.name for path in cache.iterdir()] == [
        "sha256-" + hashlib.sha256(packed.read_bytes()).hexdigest()
    ]


def test_another_archive_of_the_same_name_is_another_model(model, tmp_path):
    first = resolve(archive(model, tmp_path / "model.tar.gz"))
    (model / "saved_model.pb").write_bytes(b"newer")
    second = resolve(archive(model, tmp_path / "model.tar.gz"))
    assert (second / "saved_model.pb").read_bytes() == b"newer"
    assert first != second


def test_unpacks_a_zip_archive(model, tmp_path):
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", model)
    assert files(resolve(packed)) == files(model)


def test_downloads_from_a_hub_once(model, hub, cache):
    (hub.folder / "google").mkdir()
    archive(model, hub.folder / "google/model")
    handle = f"http://127.0.0.1:{hub.server_port}/google/model"
    directory = resolve(handle)
    assert files(directory) == files(model)
    assert directory == cache / hashlib.sha1(handle.encode()).hexdigest()  # as tensorflow_hub
    hub.paths.clear()
    assert resolve(handle) == directory
    assert hub.paths == []


def test_a_hub_that_does_not_have_it_leaves_nothing(hub, cache):
    with pytest.raises(ServerUnavailableError, match=r"can't be downloaded: .*404"):
        resolve(f"http://127.0.0.1:{hub.server_port}/absent")
    assert list(cache.iterdir()) == []


def test_a_page_is_no_model(hub, cache):
    (hub.folder / "page").write_text("<html>")
    with pytest.raises(InvalidModelError, match=r"/page' can't be unpacked"):
        resolve(f"http://127.0.0.1:{hub.server_port}/page")
    assert list(cache.iterdir()) == []


def test_an_archive_on_a_server_may_hold_one_folder(model, hub):
    archive(model, hub.folder / "model.tar.gz", "my_model")
    assert files(resolve(f"http://127.0.0.1:{hub.server_port}/model.tar.gz")) == files(model)


@pytest.mark.parametrize("is_remote", [True, False], ids=["by address", "on disk"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-8] + bytes([data[-8] ^ 1]) + data[-7:],
        lambda data: data[:-4],
        lambda data: data[: len(data) // 2],
    ],
    ids=["check sum", "no size", "half"],
)
def test_a_damaged_archive_is_not_kept(model, hub, cache, damage, is_remote):
    packed = archive(model, hub.folder / "model.tar.gz")
    packed.write_bytes(damage(packed.read_bytes()))
    handle = f"http://127.0.0.1:{hub.server_port}/model.tar.gz" if is_remote else packed
    with pytest.raises(InvalidModelError, match="can't be unpacked"):
        resolve(handle)
    assert list(cache.iterdir()) == []


def test_an_archive_without_a_model_is_not_kept(model, hub, cache):
    archive(model / "variables", hub.folder / "model.tar.gz")
    with pytest.raises(InvalidModelError, match=r"model\.tar\.gz' holds \['variables\.index'\]"):
        resolve(f"http://127.0.0.1:{hub.server_port}/model.tar.gz")
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("address", ["http://[::1", "http://a b:c/x"])
def test_what_is_no_address_is_named(address):
    with pytest.raises(
        (InvalidModelError, ServerUnavailableError), match=r"no address|can't be downloaded"
    ):
        resolve(address)


def test_names_the_tf1_hub_format(model):
    (model / "tfhub_module.pb").write_bytes(b"")
    with pytest.raises(InvalidModelError, match=r"in the TF1 Hub format \(tfhub_module\.pb\)"):
        resolve(model)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.mkdir(), r"holds \[\]; expected a directory with saved_model\.pb"),
        (lambda path: None, "doesn't exist; expected"),
        (lambda path: path.write_bytes(b"text"), "can't be unpacked"),
    ],
    ids=["empty folder", "nothing", "no archive"],
)
def test_says_what_is_there_instead_of_a_model(tmp_path, make, message):
    make(tmp_path / "thing")
    with pytest.raises(InvalidModelError, match=message):
        resolve(tmp_path / "thing")


def test_an_archive_cannot_write_elsewhere(model, tmp_path, cache):
    packed = tmp_path / "evil.tar.gz"
    with tarfile.open(packed, "w:gz") as opened:
        opened.add(model / "saved_model.pb", "../../outside.pb")
    with pytest.raises(InvalidModelError, match="can't be unpacked"):
        resolve(packed)
    zipped = tmp_path / "evil.zip"
    with zipfile.ZipFile(zipped, "w") as opened:
        opened.writestr("../../outside.pb", b"graph")
    with pytest.raises(InvalidModelError, match="expected a directory with saved_model"):
        resolve(zipped)
    assert not list(tmp_path.glob("outside.pb"))
