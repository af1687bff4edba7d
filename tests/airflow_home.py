"""An Airflow home that is thrown away; to be imported before Airflow is."""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
HOME = Path(tempfile.mkdtemp(prefix="imprimatur-airflow-"))
atexit.register(shutil.rmtree, HOME, ignore_errors=True)


def environment(home: Path) -> dict[str, str]:
    """Return the settings of an Airflow of its own in a home."""
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "PYTHONPATH": str(REPOSITORY),
    }


_OURS = (
    "ARTIFACTS",
    "SERVING_ROOT",
    "DATA",
    "TRAINING_QUEUE",
    "CONTROL_POOL",
    "TRAINING_POOL",
    "SIGNING_KEY",
    "NOTIFY",
)
for _name in list(os.environ):
    if _name.startswith("AIRFLOW_") or _name.removeprefix("IMPRIMATUR_") in _OURS:
        del os.environ[_name]
os.environ.update(environment(HOME))

# Airflow's logging configuration closes all handlers. absl's, which TensorFlow brings, closes its
# stream with it: that of pytest's capture, if a test module has loaded TensorFlow by now.
if "absl.logging" in sys.modules:
    sys.modules["absl.logging"].get_absl_handler().python_handler.stream = sys.__stderr__
