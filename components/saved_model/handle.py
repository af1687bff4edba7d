"""Finds the directory of a SavedModel: on disk, in an archive, or by a TF Hub handle.

What isn't a directory is unpacked once into a cache, `TFHUB_CACHE_DIR` or a folder beside other
temporary files; like tensorflow_hub's, of a URL under the SHA-1 of the handle, so that both share
what was downloaded.

::

    <cache>/
      <sha1 of the handle>/          a model from a URL
      sha256-<of the archive>/       a model from an archive on disk
"""

import hashlib
import logging
import os
import shutil
import tarfile
import tempfile
import uuid
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import httpx

from components.errors import InvalidModelError, ServerUnavailableError, one_line
from components.staging import staging_directory

MODEL_FILES = ("saved_model.pb", "saved_model.pbtxt")
TF1_HUB_FILE = "tfhub_module.pb"
_TIMEOUT_SECONDS = 60.0
_CHUNK_BYTES = 1 << 20
_log = logging.getLogger(__name__)


def resolve(handle: str | Path) -> Path:
    """Return the directory of a SavedModel.

    Args:
        handle: a directory; a ``.tar``, ``.tar.gz``, ``.tgz`` or ``.zip`` file; or an ``https://``
            address of an archive or of a model of TF Hub.

    Raises:
        InvalidModelError: nothing there, no archive, or no SavedModel in it; a module in the TF1
            Hub format.
        ServerUnavailableError: it can't be downloaded.
    """
    text = str(handle)
    if text.startswith(("http://", "https://")):
        return _downloaded(text)
    if Path(handle).is_file():
        return _unpacked_file(Path(handle))
    directory = Path(handle)
    check_model(directory, text)
    return directory


def check_model(directory: Path, handle: str) -> None:
    """Refuse what isn't a SavedModel of TensorFlow 2.

    Raises:
        InvalidModelError: saying what it is instead.
    """
    if (directory / TF1_HUB_FILE).is_file():
        raise InvalidModelError(
            f"{handle!r} is a module in the TF1 Hub format ({TF1_HUB_FILE}), which is older than "
            "SavedModels of TensorFlow 2 and can't be fine-tuned by it; use the model's TF2 version"
        )
    if any((directory / name).is_file() for name in MODEL_FILES):
        return
    found = sorted(path.name for path in directory.iterdir()) if directory.is_dir() else None
    seen = "doesn't exist" if found is None else f"holds {found[:10]}"
    raise InvalidModelError(
        f"{handle!r} {seen}; expected a directory with saved_model.pb, an archive of one "
        "(.tar.gz, .zip), or the address of one"
    )


def cache_directory() -> Path:
    """Return where unpacked models are kept."""
    return Path(os.environ.get("TFHUB_CACHE_DIR") or Path(tempfile.gettempdir()) / "tfhub_modules")


def _unpacked_file(archive: Path) -> Path:
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    text = str(archive)
    return _cached(text, f"sha256-{digest}", lambda target: _unpack(archive, text, target))


def _downloaded(url: str) -> Path:
    name = hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()
    return _cached(url, name, lambda target: _download(url, target))


def _cached(handle: str, name: str, fill: Callable[[Path], None]) -> Path:
    """Return a directory of the cache; where it isn't there, make it whole or not at all."""
    target = cache_directory() / name
    if target.is_dir():
        check_model(target, handle)
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with staging_directory(target) as staging:
        try:
            fill(staging)
            _lift_only_folder(staging)
            check_model(staging, handle)
            try:
                staging.rename(target)
            except OSError:  # another process was quicker: the same model
                if not target.is_dir():
                    raise
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return target


def _download(url: str, target: Path) -> None:
    address = _compressed(url)
    _log.info("downloading %s", address)
    with tempfile.TemporaryFile() as file:
        try:
            with httpx.stream(
                "GET", address, follow_redirects=True, timeout=_TIMEOUT_SECONDS
            ) as response:
                response.raise_for_status()
                for chunk in response.iter_bytes():
                    file.write(chunk)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ServerUnavailableError(
                f"{url!r} can't be downloaded: {error}; download it by hand and give its path"
            ) from error
        file.seek(0)
        _unpack(file, url, target)


def _compressed(url: str) -> str:
    """Add what asks a hub for an archive instead of a page for people."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise InvalidModelError(f"{url!r} is no address: {error}") from error
    query = dict(parse_qsl(parts.query))
    if not parts.path.endswith((".tar", ".tar.gz", ".tgz")):
        query.setdefault("tf-hub-format", "compressed")
    return urlunsplit(parts._replace(query=urlencode(query)))


def _unpack(archive: Path | IO[bytes], handle: str, target: Path) -> None:
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened:
                opened.extractall(target)  # noqa: S202  zipfile itself drops ".." and leading "/"
        else:
            with _opened_tar(archive) as opened_tar:
                opened_tar.extractall(target, filter="data")
                _read_to_end(opened_tar)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, zlib.error) as error:
        raise InvalidModelError(
            f"{handle!r} can't be unpacked: {one_line(error)}; expected a .tar.gz or .zip of "
            "a SavedModel's directory"
        ) from error


def _opened_tar(archive: Path | IO[bytes]) -> tarfile.TarFile:
    if isinstance(archive, Path):
        return tarfile.open(archive)
    archive.seek(0)
    return tarfile.open(fileobj=archive)


def _read_to_end(archive: tarfile.TarFile) -> None:
    """Read what follows the last file: the check sum of a compressed archive stands at its end.

    Raises:
        OSError: it isn't that of what was unpacked.
    """
    while archive.fileobj is not None and archive.fileobj.read(_CHUNK_BYTES):
        pass


def _lift_only_folder(target: Path) -> None:
    """Let a model that lies in one folder of the archive lie at its root."""
    entries = list(target.iterdir())
    if len(entries) != 1 or not entries[0].is_dir():
        return
    if any((entries[0] / name).is_file() for name in (*MODEL_FILES, TF1_HUB_FILE)):
        folder = entries[0].rename(target / uuid.uuid4().hex)
        for item in folder.iterdir():
            item.rename(target / item.name)
        folder.rmdir()
