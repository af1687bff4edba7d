"""``scripts/ui``: a whole local Airflow with its web page, until Ctrl-C."""

import signal
import sys
import time

from scripts.airflow_client import USER, password_of
from scripts.local_airflow import COMMANDS, HOME, AirflowError, LocalAirflow

ALIVE_CHECK_SECONDS = 2.0


def main() -> int:
    """Start Airflow, say where it is, wait."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        print("Starting Airflow in var/airflow (about half a minute)", flush=True)
        with LocalAirflow(HOME, tuple(COMMANDS)) as airflow:
            airflow.wait_until_healthy()
            print(
                f"\n  {airflow.address}\n  user      {USER}\n  password  {password_of(HOME)}\n\n"
                "On this machine only. Ctrl-C ends it.",
                flush=True,
            )
            while True:
                airflow.check_alive()
                time.sleep(ALIVE_CHECK_SECONDS)
    except AirflowError as error:
        print(f"scripts/ui: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nAirflow has ended.")
        return 0


if __name__ == "__main__":
    sys.exit(main())
