"""Makes what the stack needs in Airflow's database: tables, the pool of trainings, a first user.

It may run again: a new Airflow's tables are migrated, and the first user gets the password that is
in the file now. Everything else stays.
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


def main() -> None:
    """Migrate, then make pool and user."""
    subprocess.run(["airflow", "db", "migrate"], check=True)
    # As many slots as the worker of the queue takes at once: a task that has a slot runs, and
    # doesn't wait in the queue until Airflow gives up.
    Pool.create_or_update_pool(
        POOL,
        slots=int(os.environ["STACK_TRAINING_SLOTS"]),
        description="Trainings and searches that may run at once",
        include_deferred=False,
    )
    make_user(PASSWORD.read_text(encoding="utf-8").strip())
    print(f"the database is ready: pool {POOL!r}, user {USER!r}", flush=True)  # noqa: T201


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
