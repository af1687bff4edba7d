"""``scripts/check``: formatting, lint, types, and what would show only in production.

The last two: an eval config that could never bless a first model, and a DAG that names a pool which
doesn't exist (such a task hangs without a word). Pools are looked up in the Airflow of AIRFLOW_HOME
where that is set, as it is on a worker; else only Airflow's own default pool is there.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from components.errors import ConfigurationError
from components.evaluator.eval_config import FirstRun, check_can_bless

REPOSITORY = Path(__file__).resolve().parents[1]
DEFAULT_POOL = "default_pool"
READ_DAGS = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
bag = DagBag(sys.argv[1])
tasks = [
    {"task": f"{dag.dag_id}.{task.task_id}", "pool": task.pool,
     "eval_config": getattr(task, "eval_config", None),
     "first_run": getattr(task, "first_run", "bless"),
     "without_thresholds": getattr(task, "without_thresholds", False)}
    for dag in bag.dags.values() for task in dag.tasks
]
print(json.dumps({"errors": bag.import_errors, "tasks": tasks}, default=str))
"""


def main() -> int:
    """Run all checks, also after one failed; 1 if any did."""
    checks: dict[str, Callable[[], list[str]]] = {
        "format": lambda: run_tool("ruff", "format", "--check", "."),
        "lint": lambda: run_tool("ruff", "check", "."),
        "types": lambda: run_tool("mypy", "-p", "components", "-p", "operators", "-p", "scripts"),
        "eval configs": check_eval_configs,
        "DAGs": check_dags,
    }
    failed = []
    for name, check in checks.items():
        begin = time.monotonic()
        problems = check()
        word = "FAILED" if problems else "ok"
        print(f"{name:<13} {word:<7} {time.monotonic() - begin:5.1f} s", flush=True)
        for problem in problems:
            print(problem, flush=True)
        failed += [name] if problems else []
    print(f"\nfailed: {', '.join(failed)}" if failed else "\nall checks passed")
    return 1 if failed else 0


def run_tool(*command: str) -> list[str]:
    """Run one of our development tools; return what it says if it isn't content."""
    result = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    return [] if result.returncode == 0 else [(result.stdout + result.stderr).rstrip()]


def check_eval_configs() -> list[str]:
    """Return what is wrong with the eval configs in ``models/``."""
    files = sorted(
        path
        for suffix in ("json", "pbtxt")
        for path in REPOSITORY.glob(f"models/*/eval_config*.{suffix}")
    )
    if not files:
        return ["no models/*/eval_config.json is there, not even the example's"]
    return [
        problem
        for path in files
        for problem in problems_of_config(path, str(path.relative_to(REPOSITORY)), "bless")
    ]


def problems_of_config(
    source: Path | Mapping[str, Any], name: str, first_run: str, *, without_thresholds: bool = False
) -> list[str]:
    """Return why an eval config could never bless a first model; `name` is how to call it."""
    policy: FirstRun = "refuse" if first_run == "refuse" else "bless"
    try:
        check_can_bless(source, policy, without_thresholds=without_thresholds)
    except ConfigurationError as error:
        return [f"{name}: {error}"]
    return []


def check_dags() -> list[str]:
    """Return what is wrong with the DAGs: imports, pools, eval configs under their policy."""
    with tempfile.TemporaryDirectory() as scratch:
        answer = subprocess.run(
            [sys.executable, "-c", READ_DAGS, "dags"],
            cwd=REPOSITORY,
            env=environment(Path(scratch)),
            capture_output=True,
            text=True,
            check=False,
        )
    if answer.returncode != 0:
        return [f"the DAGs can't be read:\n{answer.stderr.rstrip()}"]
    found = json.loads(answer.stdout.splitlines()[-1])
    problems = [f"{name}: {error}" for name, error in found["errors"].items()]
    try:
        pools = known_pools()
    except subprocess.CalledProcessError as error:
        home = os.environ["AIRFLOW_HOME"]
        return [*problems, f"the pools of the Airflow in {home} can't be listed:\n{error.stderr}"]
    for task in found["tasks"]:
        problems += problems_of_task(task, pools)
    return problems or ([] if found["tasks"] else ["no DAG was found in dags/"])


def problems_of_task(task: Mapping[str, Any], pools: set[str]) -> Iterator[str]:
    """Yield what is wrong with a task."""
    if task["pool"] not in pools:
        yield (
            f"{task['task']} names the pool {task['pool']!r}, which doesn't exist: it would wait "
            f"for ever. There are {sorted(pools)}; create it: airflow pools set {task['pool']} 1 ''"
        )
    config, without_thresholds = task["eval_config"], task["without_thresholds"]
    if not config or any("{{" in str(each) for each in (config, without_thresholds)):
        return  # a template says it, when the task runs
    is_path = isinstance(config, str)
    yield from problems_of_config(
        REPOSITORY / config if is_path else config,
        config if is_path else f"{task['task']}'s eval_config",
        str(task["first_run"]),
        without_thresholds=without_thresholds,
    )


def known_pools() -> set[str]:
    """Return the pools of the Airflow that the environment names, or the one that all have."""
    if "AIRFLOW_HOME" not in os.environ:
        return {DEFAULT_POOL}
    answer = subprocess.run(
        [sys.executable, "-m", "airflow", "pools", "list", "--output", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {pool["pool"] for pool in json.loads(answer.stdout[answer.stdout.index("[") :])}


def environment(scratch: Path) -> dict[str, str]:
    """Return an environment whose Airflow is empty and thrown away."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    return {
        **kept,
        "AIRFLOW_HOME": str(scratch),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "PYTHONPATH": str(REPOSITORY),
    }


if __name__ == "__main__":
    sys.exit(main())
