"""The digest that names a directory's bytes, and what has none."""

import hashlib
import os
import socket
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components import artifacts
from components.errors import ArtifactError

# contracts: `saved_model.pb` holding `abc` and an empty `variables/variables.index`
VECTOR = "sha256:bbb6b79e55d6cf38d171aea230675327749d283c06de5ec58d517989da908061"
BY_SHELL = r"""
cd "$1" && find . -type f | sed 's#^\./##' | LC_ALL=C sort | while IFS= read -r path; do
  printf '%s %s %s\n' "$(sha256sum < "$path" | cut -d' ' -f1)" "$(stat -c %s "$path")" "$path"
done | sha256sum | cut -d' ' -f1
"""


def write_tree(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def digest_by_shell(root: Path) -> str:
    """Compute the digest with coreutils alone."""
    command = ["bash", "-c", BY_SHELL, "bash", str(root)]
    return "sha256:" + subprocess.check_output(command, text=True).strip()


def test_has_the_digest_of_the_test_vector(tmp_path: Path) -> None:
    write_tree(tmp_path, {"saved_model.pb": b"abc", "variables/variables.index": b""})

    assert artifacts.digest(tmp_path) == VECTOR
    assert artifacts.digest(str(tmp_path)) == VECTOR


def test_has_the_digest_that_coreutils_compute(tmp_path: Path) -> None:
    names = ["a", "a.b", "a/b", "a-b", "B", "é/ü", "日本", "with space", "z/" * 20 + "z", "%", "~"]
    files = {name: name.encode() * 1000 for name in names if name not in ("a",)}
    write_tree(tmp_path, {**files, "large": os.urandom(3 << 20), "empty": b""})

    assert artifacts.digest(tmp_path) == digest_by_shell(tmp_path)


def test_sorts_by_bytes_and_not_by_characters(tmp_path: Path) -> None:
    """U+FF5E comes before U+1F600 in UTF-8, after it in UTF-16; ``-`` and ``.`` before ``/``."""
    names = ["～", "😀", "a/x", "a-x", "a.x", "aé", "az"]
    write_tree(tmp_path, {name: b"" for name in names})

    paths = [
        line.split(" ", 2)[2] for line in artifacts.read_manifest(tmp_path).text.split("\n")[:-1]
    ]

    assert paths == sorted(names, key=str.encode)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="/\\."),
                min_size=1, max_size=20),
        st.binary(max_size=50),
        max_size=6,
    )
)  # fmt: skip
def test_has_the_digest_of_its_definition(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    root = write_tree(tmp_path_factory.mktemp("tree"), files)
    lines = [
        f"{hashlib.sha256(content).hexdigest()} {len(content)} ".encode() + name.encode() + b"\n"
        for name, content in sorted(files.items(), key=lambda item: item[0].encode())
    ]

    assert artifacts.digest(root) == "sha256:" + hashlib.sha256(b"".join(lines)).hexdigest()


def test_modes_times_and_empty_directories_do_not_count(tmp_path: Path) -> None:
    one = write_tree(tmp_path / "one", {"a": b"1", "b/c": b"2"})
    two = write_tree(tmp_path / "two", {"b/c": b"2", "a": b"1"})
    (two / "empty" / "deep").mkdir(parents=True)
    (two / "a").chmod(0o600)
    os.utime(two / "a", (0, 0))

    assert artifacts.digest(one) == artifacts.digest(two)


@pytest.mark.parametrize(
    "change",
    [
        {"a": b"2"},
        {"a": b"1\n"},
        {"more": b""},
        {"b/d": b"2"},
        {"b/c": b""},
    ],
    ids=str,
)
def test_changes_with_any_byte_and_any_name(tmp_path: Path, change: dict[str, bytes]) -> None:
    root = write_tree(tmp_path, {"a": b"1", "b/c": b"2"})
    before = artifacts.digest(root)

    write_tree(root, change)

    assert artifacts.digest(root) != before


def test_leaves_out_only_what_is_named(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "one", {"a": b"1", "record.json": b"{}", "b/record.json": b"{}"})
    same = write_tree(tmp_path / "two", {"a": b"1", "b/record.json": b"{}"})

    assert artifacts.digest(root, exclude={"record.json"}) == artifacts.digest(same)
    assert artifacts.read_manifest(root).without("record.json").digest == artifacts.digest(same)


def test_a_manifest_knows_sizes(tmp_path: Path) -> None:
    manifest = artifacts.read_manifest(write_tree(tmp_path, {"a": b"123", "b/c": b"4567"}))

    assert {file.path: file.num_bytes for file in manifest.files} == {"a": 3, "b/c": 4}
    assert manifest.num_bytes == 7


def test_the_root_may_be_a_symlink(tmp_path: Path) -> None:
    root = write_tree(tmp_path / "root", {"a": b"1"})
    (tmp_path / "link").symlink_to(root)

    assert artifacts.digest(tmp_path / "link") == artifacts.digest(root)


@pytest.mark.parametrize("target", ["a", "b", "missing", "/etc/passwd", "."])
def test_refuses_symlinks_inside(tmp_path: Path, target: str) -> None:
    write_tree(tmp_path, {"a": b"1", "b/c": b"2"})
    (tmp_path / "b" / "link").symlink_to(target)

    with pytest.raises(ArtifactError, match=r"'b/link' in .* is a symbolic link; .*copy the file"):
        artifacts.digest(tmp_path)


def test_refuses_special_files_without_opening_them(tmp_path: Path) -> None:
    write_tree(tmp_path, {"a": b"1"})
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ArtifactError, match=r"'pipe' in .* neither a file nor a directory"):
        artifacts.digest(tmp_path)

    (tmp_path / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(tmp_path)  # a socket's path is at most 107 bytes
        try:
            server.bind("socket")
        finally:
            os.chdir(here)
        with pytest.raises(ArtifactError, match=r"'socket' in .* \(a pipe, socket or device\)"):
            artifacts.digest(tmp_path)


@pytest.mark.parametrize("name", ["a\nb", "a\tb", "a\x7f", "a\x85b", "a\\b", "..a", "a..b"])
def test_refuses_names_that_a_line_cannot_hold(tmp_path: Path, name: str) -> None:
    write_tree(tmp_path, {f"b/{name}": b"1"})

    with pytest.raises(ArtifactError, match=r"control character, a backslash or '\.\.'"):
        artifacts.digest(tmp_path)


def test_refuses_names_of_directories_too(tmp_path: Path) -> None:
    write_tree(tmp_path, {"b\\c/a": b"1"})

    with pytest.raises(ArtifactError, match="a backslash"):
        artifacts.digest(tmp_path)


def test_refuses_names_that_are_not_utf8(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9")).write_bytes(b"1")

    with pytest.raises(ArtifactError, match=r"'caf.udce9' isn't UTF-8"):
        artifacts.digest(tmp_path)


def test_refuses_what_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1")

    with pytest.raises(ArtifactError, match=r"file' isn't a directory; expected"):
        artifacts.digest(tmp_path / "file")
    with pytest.raises(ArtifactError, match=r"missing' doesn't exist; expected"):
        artifacts.digest(tmp_path / "missing")


@pytest.mark.parametrize("size", [10, 5 << 20])
def test_refuses_a_file_that_grows_or_shrinks_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """It is changed between the question for its size and the reading."""
    path = write_tree(tmp_path, {"variables": b"x" * 1000}) / "variables"
    fstat = os.fstat

    def changing_fstat(descriptor: int) -> os.stat_result:
        result = fstat(descriptor)
        os.truncate(path, size)
        return result

    monkeypatch.setattr(artifacts.os, "fstat", changing_fstat)

    with pytest.raises(ArtifactError, match=rf"had 1000 bytes and then {size}: .*wait until"):
        artifacts.digest(tmp_path)


def test_opens_no_more_files_than_it_may(tmp_path: Path) -> None:
    """Thousands of files are read with a bounded number of them open."""
    write_tree(tmp_path, {f"assets/{number:04}": b"%d" % number for number in range(3000)})

    assert artifacts.digest(tmp_path) == digest_of_numbers(3000)


def digest_of_numbers(count: int) -> str:
    contents = {f"assets/{number:04}": b"%d" % number for number in range(count)}
    text = "".join(
        f"{hashlib.sha256(content).hexdigest()} {len(content)} {name}\n"
        for name, content in contents.items()
    )
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
