"""Kills the pusher at every step that touches the folder, and looks at what a server would see.

Run as a program, so that it forks from a small process. For each scenario the steps are counted in
a whole run; then, for each step, a copy of the folder gets a process that SIGKILLs itself just
before that step. A watcher in a process of its own polls meanwhile as TensorFlow Serving does.
Prints one line of JSON per scenario.
"""

import dataclasses
import json
import multiprocessing
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from pusher_workshop import Workshop

from components import artifacts, pusher
from components.pusher import disk
from components.serving_folder import ServingFolder
from components.version_files import version_number


def prepare_push(workshop):
    workshop.publish(2, 3)
    return workshop.model("graph 4", 4)


def push(workshop, model):
    return workshop.push(model, run=workshop.run())


def prepare_first(workshop):
    return workshop.model("graph 2", 2)


def prepare_retention(workshop):
    workshop.publish(2, 3)
    return workshop.model("graph 4", 4)


def push_and_remove(workshop, model):
    return workshop.push(model, run=workshop.run(), keep_versions=2)


def prepare_rollback(workshop):
    workshop.publish(2, 3, 4, 5)
    workshop.rollback(from_version=20130501000000, hold=False)
    (workshop.base / "20130301000000" / "saved_model.pb").write_text("DAMAGED")


def rollback(workshop, _):
    return workshop.rollback(from_version=20130401000000, run=workshop.run())


def prepare_third_withdrawal(workshop):
    workshop.publish(2, 3, 4, 5)
    workshop.rollback(hold=False)
    workshop.rollback(hold=False)


def withdraw_third(workshop, _):
    return workshop.rollback(from_version=20130301000000, run=workshop.run())


def prepare_release(workshop):
    workshop.publish(2, 3)
    workshop.rollback(hold=False)


def release_and_push(workshop, _):
    model = workshop.model("graph 3", 3)
    if workshop.folder.quarantine().active:
        pusher.release(base_directory=str(workshop.base), version=20130301000000)
    return workshop.push(model, run=workshop.run())


def hold_pin_resume(workshop, _):
    base = str(workshop.base)
    pusher.hold(base_directory=base, reason="x")
    pusher.pin(base_directory=base, version=20130201000000)
    return pusher.resume(base_directory=base)


SCENARIOS = {
    "first push": (prepare_first, push),
    "push": (prepare_push, push),
    "push and retention": (prepare_retention, push_and_remove),
    "rollback over a damaged version": (prepare_rollback, rollback),
    "third withdrawal": (prepare_third_withdrawal, withdraw_third),
    "release and push again": (prepare_release, release_and_push),
    "hold, pin, resume": (prepare_push, hold_pin_resume),
}


def main() -> None:
    scratch = Path(sys.argv[1])
    for name in sys.argv[2:] or SCENARIOS:
        prepare, act = SCENARIOS[name]
        pristine = scratch / "pristine"
        shutil.rmtree(pristine, ignore_errors=True)
        pristine.mkdir()
        argument = prepare(Workshop(pristine))
        report = kill_everywhere(scratch, pristine, argument, act)
        sys.stdout.write(json.dumps({"scenario": name, **report}) + "\n")


def kill_everywhere(scratch, pristine, argument, act) -> dict:
    expected, steps = whole_run(scratch, pristine, argument, act)
    problems, looks = [], 0
    for step in range(steps):
        directory = copy_of(scratch, pristine)
        with Watcher(directory / "serving") as watcher:
            code = in_child(lambda d=directory, s=step: act_killed(d, argument, act, s))
            after_crash = numbers_visible(directory / "serving")
            result = act(Workshop(directory), moved(argument, directory))
            problems += [f"step {step}: {problem}" for problem in watcher()[0]]
            looks += watcher()[1]
        if code != -signal.SIGKILL:
            problems.append(f"step {step}: the child ended with {code}")
        problems += [f"step {step}: {problem}" for problem in check(directory, result, expected)]
        problems += [f"step {step}: after the crash {p}" for p in unwhole(directory, after_crash)]
    return {"steps": steps, "problems": problems, "looks": looks}


def whole_run(scratch, pristine, argument, act):
    directory = copy_of(scratch, pristine)
    seen = []
    disk.observe(lambda step, path: seen.append(step))
    result = act(Workshop(directory), moved(argument, directory))
    disk.observe(lambda step, path: None)
    return facts(directory, result), len(seen)


def act_killed(directory, argument, act, step) -> None:
    count = iter(range(10**9))

    def kill(name, path):
        if next(count) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    disk.observe(kill)
    act(Workshop(directory), moved(argument, directory))


def in_child(call) -> int:
    process = multiprocessing.get_context("fork").Process(target=call)
    process.start()
    process.join()
    return process.exitcode


def copy_of(scratch, pristine):
    directory = scratch / "work"
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(pristine, directory, symlinks=True)
    return directory


def moved(argument, directory):
    if argument is None:
        return None
    uri = directory / "models" / Path(argument.uri).relative_to(Path(argument.uri).parents[1])
    return dataclasses.replace(argument, uri=str(uri))


def check(directory, result, expected) -> list[str]:
    """Compare the folder after crash and repeat with one where nothing was killed."""
    problems = unwhole(directory, numbers_visible(directory / "serving"))
    found = facts(directory, result)
    for key, value in expected.items():
        if found[key] != value:
            problems.append(f"{key} is {found[key]!r}, without a crash {value!r}")
    state = directory / "serving" / ".imprimatur"
    leftovers = [*state.glob("staging-*"), *state.glob("trash-*"), *state.rglob("*.tmp")]
    return problems + [f"{path.name} is left" for path in leftovers]


def facts(directory, result) -> dict:
    folder = ServingFolder(directory / "serving")
    return {
        "live": folder.live().number,
        "visible": [name for name in folder.names() if not name.startswith(".")],
        "states": {record.version: record.state for record in folder.records()},
        "quarantine": [entry.version for entry in folder.quarantine().active],
        "hold": folder.hold() is not None,
        "result": getattr(result, "version", None) or type(result).__name__,
    }


def numbers_visible(base) -> dict:
    try:
        return {name: number for name in os.listdir(base) if (number := version_number(name))}
    except FileNotFoundError:
        return {}


def unwhole(directory, visible) -> list[str]:
    """Return the visible versions whose bytes aren't those recorded (but the one spoiled)."""
    folder = ServingFolder(directory / "serving")
    problems = []
    for name, number in visible.items():
        record = folder.record(number)
        path = folder.base_directory / name
        if record is None:
            problems.append(f"{name} has no record")
        elif path.exists() and artifacts.digest(path) != record.digest and not spoiled(path):
            problems.append(f"{name} isn't whole")
    return problems


def spoiled(path) -> bool:
    """Whether the scenario itself damaged this version."""
    return "DAMAGED" in (path / "saved_model.pb").read_text()


class Watcher:
    """Polls the folder as TensorFlow Serving does, in a process of its own, until asked."""

    def __init__(self, base):
        self.base = base

    def __enter__(self):
        context = multiprocessing.get_context("fork")
        self.stop, self.results = context.Event(), context.SimpleQueue()
        self.process = context.Process(target=self.poll)
        self.process.start()
        self.answer = None
        return self.ask

    def ask(self):
        if self.answer is None:
            self.stop.set()
            self.answer = self.results.get()
            self.process.join()
        return self.answer

    def __exit__(self, *_):
        self.ask()

    def poll(self):
        problems, looks, had_live = [], 0, False
        while True:
            last = self.stop.is_set()
            looks += 1
            visible = numbers_visible(self.base)
            highest = max(visible.items(), key=lambda item: item[1], default=None)
            if highest is None and had_live:
                problems.append("nothing to serve")
            if highest is not None:
                had_live = True
                problems += self.load(*highest)
            if last:
                break
            time.sleep(0.0005)
        self.results.put((sorted(set(problems)), looks))

    def load(self, name, number):
        """What a server would do with the highest version: read all its files."""
        path = self.base / name
        try:
            digest = artifacts.digest(path)
        except Exception as error:
            # Renamed away in the middle: a withdrawal. Otherwise it isn't whole.
            return [f"{name}: {error}"] if path.exists() else []
        record = ServingFolder(self.base).record(number)
        if record is None:
            return [f"{name} visible without its record"] if path.exists() else []
        return [] if record.digest == digest else [f"{name} visible with other bytes"]


if __name__ == "__main__":
    main()
