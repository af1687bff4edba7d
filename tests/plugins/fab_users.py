"""Makes users and roles in the database of the Airflow of the environment; a process of its own.

``python -m tests.plugins.fab_users PASSWORD``: ``limited`` may read one DAG, ``operator`` may also
trigger it, ``nobody`` may only log in.
"""

import sys

from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

from tests.plugins.conftest import MODEL

READS = (
    ("can_read", "Website"),
    ("menu_access", "DAGs"),
    ("can_read", "DAG Runs"),
    ("can_read", "XComs"),
    ("can_read", f"DAG:{MODEL}"),
)
PERMISSIONS = {
    "nobody": READS[:1],
    "limited": READS,
    "operator": (
        *READS,
        ("can_create", "DAG Runs"),
        ("can_edit", "DAG:imprimatur_rollback"),
        ("can_read", "DAG:imprimatur_rollback"),
    ),
}


def main(password: str) -> None:
    with get_application_builder() as builder:
        security = builder.sm
        security.sync_roles()
        for name, permissions in PERMISSIONS.items():
            role = security.add_role(f"Role of {name}")
            for action, resource in permissions:
                permission = security.create_permission(action, resource)
                security.add_permission_to_role(role, permission)
            add_user(security, name, role, password)
        add_user(security, "admin", security.find_role("Admin"), password)


def add_user(security, name, role, password):
    made = security.add_user(name, name, "Test", f"{name}@example.com", role, password)
    assert made, name


if __name__ == "__main__":
    main(sys.argv[1])
