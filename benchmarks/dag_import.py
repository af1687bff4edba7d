"""What each DAG file costs Airflow to import, over `import airflow.sdk` alone.

Airflow imports it in the dag processor again and again, and at the start of each task. Each import
is measured in a fresh interpreter, in processor time, so that what else the machine does doesn't
count; the least of several rounds counts, because the rest is noise.

    python -m benchmarks.dag_import
"""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
DAG_FILES = sorted((REPOSITORY / "dags").glob("*.py"))
LIMIT_SECONDS = 0.3
ROUNDS = 3
SCRIPT = """
import runpy, sys, time
import airflow.sdk
from airflow.sdk import DAG, Asset, BaseOperator, CronDataIntervalTimetable, Param, TriggerRule
start = time.process_time()
runpy.run_path(sys.argv[1])
print(time.process_time() - start)
"""


def measure(home: str, dag_file: Path) -> float:
    """Return the seconds of processor time that one import takes."""
    environment = {**os.environ, "AIRFLOW_HOME": home, "PYTHONPATH": str(REPOSITORY)}
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(dag_file)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(result.stdout.splitlines()[-1])


def main() -> int:
    """Measure and compare with the limit."""
    print(f"importing over `import airflow.sdk`, {ROUNDS} fresh interpreters each:")
    worst = 0.0
    with tempfile.TemporaryDirectory() as home:
        measure(home, DAG_FILES[0])  # the first import writes bytecode and airflow.cfg
        for dag_file in DAG_FILES:
            seconds = [measure(home, dag_file) for _ in range(ROUNDS)]
            worst = max(worst, min(seconds))
            median = statistics.median(seconds)
            print(f"  {dag_file.name:<35} least {min(seconds):.3f} s, median {median:.3f} s")
    print(f"limit {LIMIT_SECONDS} s")
    return 0 if worst <= LIMIT_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
