"""What the DAG file costs Airflow to import, over `import airflow.sdk` alone.

Airflow imports it in the dag processor again and again, and at the start of each task. Each import
is measured in a fresh interpreter; the least of several rounds counts, because the rest is noise.

    python -m benchmarks.dag_import
"""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
DAG_FILE = REPOSITORY / "dags" / "flight_delays.py"
LIMIT_SECONDS = 0.3
ROUNDS = 5
SCRIPT = """
import runpy, sys, time
import airflow.sdk
from airflow.sdk import DAG, Asset, BaseOperator, CronDataIntervalTimetable, Param, TriggerRule
start = time.perf_counter()
runpy.run_path(sys.argv[1])
print(time.perf_counter() - start)
"""


def measure(home: str) -> float:
    """Return the seconds that one import takes."""
    environment = {**os.environ, "AIRFLOW_HOME": home, "PYTHONPATH": str(REPOSITORY)}
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(DAG_FILE)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(result.stdout.splitlines()[-1])


def main() -> int:
    """Measure and compare with the limit."""
    with tempfile.TemporaryDirectory() as home:
        measure(home)  # the first import writes bytecode and airflow.cfg
        seconds = [measure(home) for _ in range(ROUNDS)]
    least, median = min(seconds), statistics.median(seconds)
    print(f"importing {DAG_FILE.name} over `import airflow.sdk`, {ROUNDS} fresh interpreters:")
    print(f"  least {least:.3f} s, median {median:.3f} s; limit {LIMIT_SECONDS} s")
    return 0 if least <= LIMIT_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
