"""The signing key of an installation, and blessings signed with it.

Operators sign, in the task's process, which runs no user's code; see `components.signing`.
"""

import os

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from components import signing
from components.records import Blessing

CONNECTION_ID = "imprimatur_signing"


def signing_key() -> bytes | None:
    """Return the key: ``IMPRIMATUR_SIGNING_KEY``, or the connection's password, or None.

    Raises:
        ConfigurationError: it isn't base64 of 32 bytes or more.
    """
    text = os.environ.get(signing.KEY_VARIABLE) or _connection_password()
    if text:
        signing.close_proc()
    return signing.parse_key(text) if text else None


def signed(blessing: Blessing) -> Blessing:
    """Return the blessing with a signature, if a key is configured."""
    key = signing_key()
    return blessing if key is None else signing.sign(blessing, key)


def _connection_password() -> str | None:
    try:
        password: str | None = BaseHook.get_connection(CONNECTION_ID).password
    except AirflowNotFoundException:
        return None
    return password
