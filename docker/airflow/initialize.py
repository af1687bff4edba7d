"""Makes what the stack needs in Airflow's database: tables, slots of pools, a first user.

It may run again: a new Airflow's tables are migrated, the pools get the slots of the settings, and
the first user the password that is in the file now. Everything else stays.
"""

import os
import subprocess
from pathlib import Path

from airflow.models.pool import Pool
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from airflow.utils.providers_configuration_loader import providers_configuration_loaded

USER = "admin"
PASSWORD = Path("/run/secrets/admin_password")
POOL = os.environ["IMPRIMATUR_TRAINING_POOL"]
CONTROL_POOL = os.environ["IMPRIMATUR_CONTROL_POOL"]


def main() -> None:
    """Migrate, then make pool and user."""
    subprocess.run(["airflow", "db", "migrate"], check=True)
    # As many slots as the worker of the queue takes at once: a task that has a slot runs, and
    # doesn't wait in the queue until Airflow gives up.
    training = int(os.environ["STACK_TRAINING_SLOTS"])
    make_pool(POOL, training, "Trainings and searches that may run at once")
    slots = int(os.environ["STACK_SLOTS"])
    make_pool(Pool.DEFAULT_POOL_NAME, max(1, slots - 1), "All other tasks that may run at once")
    make_pool(CONTROL_POOL, 1, "For the person on call: never behind a backfill")
    make_user(PASSWORD.read_text(encoding="utf-8").strip())
    print(f"the database is ready: pools, user {USER!r}", flush=True)  # noqa: T201


def make_pool(name: str, slots: int, description: str) -> None:
    """Make a pool, or give the one that is there so many slots."""
    Pool.create_or_update_pool(name, slots, description, include_deferred=False)


@providers_configuration_loaded
def make_user(password: str) -> None:
    """Make the administrator, or give the one that is there this password."""
    with get_application_builder() as builder:
        security = builder.sm
        security.sync_roles()
        user = security.find_user(USER)
        if user is not None:
            security.reset_password(user.id, password)
            return
        role = security.find_role("Admin")
        made = security.add_user(USER, "Admin", "User", "admin@example.invalid", role, password)
        if not made:
            raise SystemExit("the first user can't be made; what FAB says of it is above")


if __name__ == "__main__":
    main()
