"""Publishing a model against copying it: ``python -m benchmarks.pusher``.

``cp -r`` and ``sync`` is what a script would do instead; it verifies nothing, and a server sees the
copy while it grows. Both copy the same tree onto the same disk, in turn, in one run.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from components import artifacts, pusher, records
from components.records import Blessing, Model, Subject, Validator

MEBIBYTE = 1 << 20


def main() -> None:
    """Measure, print a table and one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--small-files", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--directory", type=Path, help="on the disk to measure; default: here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory or Path.cwd()) as scratch:
        result = measure(Path(scratch), arguments)
    print(f"{'cp -r; sync':>14} {result['copy_seconds']:7.2f} s", file=sys.stderr)
    print(f"{'push':>14} {result['push_seconds']:7.2f} s", file=sys.stderr)
    print(f"{'ratio':>14} {result['ratio']:7.2f}", file=sys.stderr)
    print(f"{'push grew by':>14} {result['push_growth_mebibytes']:7.1f} MiB", file=sys.stderr)
    print(json.dumps(result))


def measure(scratch: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return seconds of both, their ratio, and how much memory the push took."""
    source = make_model(scratch / "model", arguments)
    manifest = artifacts.read_manifest(source)
    model = Model(uri=str(source), digest=manifest.digest, num_bytes=manifest.num_bytes)
    copies, pushes = [], []
    before = peak_mebibytes()
    for repeat in range(arguments.repeats):
        calls = [
            (copies, lambda: copy(source, scratch / "copy")),
            (pushes, lambda: push(model, scratch / "serving")),
        ]
        # Each goes first as often: what comes second meets a busier disk.
        for times, call in calls if repeat % 2 else reversed(calls):
            times.append(timed(call))
        shutil.rmtree(scratch / "copy")
        shutil.rmtree(scratch / "serving")
        os.sync()
    return {
        "megabytes": arguments.megabytes,
        "files": len(manifest.files),
        "copies": [round(seconds, 2) for seconds in copies],
        "pushes": [round(seconds, 2) for seconds in pushes],
        "copy_seconds": statistics.median(copies),
        "push_seconds": statistics.median(pushes),
        "ratio": statistics.median(pushes) / statistics.median(copies),
        "push_growth_mebibytes": peak_mebibytes() - before,
    }


def make_model(directory: Path, arguments: argparse.Namespace) -> Path:
    """Write what looks like a SavedModel of that size; random bytes, so that no disk cheats."""
    variables = directory / "variables"
    variables.mkdir(parents=True)
    (directory / "saved_model.pb").write_bytes(b"graph")
    (variables / "variables.index").write_bytes(b"index")
    for shard in range(arguments.shards):
        name = f"variables.data-{shard:05d}-of-{arguments.shards:05d}"
        with (variables / name).open("wb") as file:
            for _ in range(arguments.megabytes // arguments.shards):
                file.write(os.urandom(MEBIBYTE))
    for number in range(arguments.small_files):
        path = directory / "assets" / f"{number}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(str(number))
    os.sync()
    return directory


def copy(source: Path, target: Path) -> None:
    """Do what a script does."""
    subprocess.run(["cp", "-r", str(source), str(target)], check=True)
    subprocess.run(["sync"], check=True)


def push(model: Model, base: Path) -> None:
    """Publish the model to a new serving folder."""
    blessings = [
        Blessing(
            kind=kind,
            blessed=True,
            subject=Subject("model", model.digest),
            findings=(),
            validator=Validator("benchmark", "1"),
            issued_at=records.now(),
        )
        for kind in ("evaluation", "infra")
    ]
    destination = {"filesystem": {"base_directory": str(base)}}
    result = pusher.push(model=model, blessings=blessings, push_destination=destination)
    if not isinstance(result, records.PushedModel):
        raise SystemExit(f"refused: {result}")


def timed(call: Callable[[], None]) -> float:
    """Return how many seconds a call took."""
    begin = time.monotonic()
    call()
    return time.monotonic() - begin


def peak_mebibytes() -> float:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
