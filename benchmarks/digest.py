"""The digest of a model against OpenSSL on the same bytes: ``python -m benchmarks.digest``.

``openssl dgst -sha256`` is the fastest thing that a script would call. It reads one file after the
other on one core; so per core we are compared on one file, and then on as many files as there are
cores. Both read from the page cache, in turn, in one run. Ours also lists, checks and sorts.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from components import artifacts

MEBIBYTE = 1 << 20


def main() -> int:
    """Measure, print a table and one line of JSON; 1 if a bound is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=512, help="in all; default 512")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--directory", type=Path, help="where to write the files; default: here")
    arguments = parser.parse_args()
    if shutil.which("openssl") is None:
        print("openssl isn't installed; there is nothing to compare with", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(dir=arguments.directory or Path.cwd()) as scratch:
        result = measure(Path(scratch), arguments.megabytes, arguments.repeats)
    for name, value in result.items():
        print(f"{name:>32} {value:8.2f}", file=sys.stderr)
    print(json.dumps(result))
    met = result["one_file_ratio"] >= 0.9 and (
        result["cores"] < 2 or result["two_files_ratio"] > result["one_file_ratio"]
    )
    return 0 if met else 1


def measure(scratch: Path, megabytes: int, repeats: int) -> dict[str, float]:
    """Return seconds, and how many times the bytes per second of OpenSSL ours takes in."""
    one = write_files(scratch / "one", 1, megabytes)
    two = write_files(scratch / "two", 2, megabytes)
    many = write_files(scratch / "many", 1000, megabytes // 8)
    result: dict[str, float] = {"megabytes": megabytes, "cores": os.cpu_count() or 1}
    for name, directory in (("one_file", one), ("two_files", two), ("thousand_files", many)):
        check_same_hashes(directory)
        theirs, ours = compare(directory, repeats)
        result[f"{name}_openssl_seconds"] = theirs
        result[f"{name}_digest_seconds"] = ours
        result[f"{name}_ratio"] = theirs / ours
    return result


def compare(directory: Path, repeats: int) -> tuple[float, float]:
    """Return the median seconds of OpenSSL and of the digest, measured in turn."""
    theirs, ours = [], []
    for _ in range(repeats):
        theirs.append(timed(lambda: run_openssl(directory)))
        ours.append(timed(lambda: artifacts.digest(directory)))
    return statistics.median(theirs), statistics.median(ours)


def run_openssl(directory: Path) -> dict[str, str]:
    """Hash all files with one OpenSSL process; return hex SHA-256 by path."""
    paths = sorted(str(path) for path in directory.rglob("*") if path.is_file())
    command = ["openssl", "dgst", "-sha256", "-r", *paths]
    lines = subprocess.check_output(command, text=True).splitlines()
    return {path: sha256 for sha256, path in (line.split(" *", 1) for line in lines)}


def check_same_hashes(directory: Path) -> None:
    """Refuse to compare two programs that don't do the same."""
    theirs = run_openssl(directory)
    ours = {
        str(directory / file.path): file.sha256 for file in artifacts.read_manifest(directory).files
    }
    assert ours == theirs, "OpenSSL and the manifest disagree"


def write_files(directory: Path, count: int, megabytes: int) -> Path:
    """Write random bytes, evenly over some files."""
    directory.mkdir()
    size = megabytes * MEBIBYTE // count
    for number in range(count):
        with (directory / f"{number:04}").open("wb") as file:
            for begin in range(0, size, MEBIBYTE):
                file.write(os.urandom(min(MEBIBYTE, size - begin)))
    return directory


def timed(call: Callable[[], object]) -> float:
    """Return how many seconds a call took."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


if __name__ == "__main__":
    sys.exit(main())
