"""The processes of a run, found in /proc."""

from pathlib import Path

from components.artifact_path import encode


def child_of(run_id: str, component: str) -> int | None:
    """Return the process of a component that works for a run."""
    for entry in Path("/proc").iterdir():
        try:
            command = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except (OSError, NotADirectoryError):
            continue
        if _is_of(command, component) and any(f"/{encode(run_id)}/" in part for part in command):
            return int(entry.name)
    return None


def _is_of(command: list[str], component: str) -> bool:
    if f"components.{component}" in command:
        return True
    names = {Path(part).name for part in command[:4]}
    if f"{component}_with_fake_evaluator.py" in names:
        return True
    return "fake_component.py" in names and component in command[:4]


def parent_of(pid: int) -> int:
    """Return the process id of a process' parent."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def is_running(pid: int) -> bool:
    """Return whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
