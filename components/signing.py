"""Signatures of blessings: HMAC-SHA-256 over canonical JSON (RFC 8785).

They protect against records edited between tasks, for instance an XCom in the UI; not against
whoever writes DAGs or holds the key.
"""

import base64
import binascii
import ctypes
import dataclasses
import hashlib
import hmac
import os
import sys

from components import canonical_json
from components.errors import ConfigurationError
from components.records import Blessing

KEY_VARIABLE = "IMPRIMATUR_SIGNING_KEY"
_MIN_KEY_BYTES = 32
_PR_SET_DUMPABLE = 4
_hidden: list[str] = []


def hide_key() -> None:
    """Take the key out of the environment so that no child inherits it.

    Nor can a child read it in ``/proc``: the environment that a process began with stays there.
    """
    text = os.environ.pop(KEY_VARIABLE, "")
    if text:
        _hidden[:] = [text]
        close_proc()


def take_key_from_environment() -> bytes | None:
    """Return the key, which is then in neither the environment nor in `hide_key`'s keeping.

    Returns:
        None without one. An empty variable is none: that is how compose files pass on what isn't
        set.

    Raises:
        ConfigurationError: it isn't base64 of 32 bytes or more.
    """
    hide_key()
    return parse_key(_hidden.pop()) if _hidden else None


def forget_key() -> None:
    """Forget a key that nobody took."""
    _hidden.clear()


def parse_key(text: str) -> bytes:
    """Read a key from base64.

    Raises:
        ConfigurationError: it isn't base64 of 32 bytes or more.
    """
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigurationError(
            f"the signing key ({KEY_VARIABLE}) isn't base64: {error}; "
            "make one with 'openssl rand -base64 32'"
        ) from error
    if len(key) < _MIN_KEY_BYTES:
        raise ConfigurationError(
            f"the signing key ({KEY_VARIABLE}) has {len(key)} bytes; expected at least "
            f"{_MIN_KEY_BYTES}: make one with 'openssl rand -base64 32'"
        )
    return key


def close_proc() -> None:
    """Make this process's ``/proc`` entries unreadable to its children of the same user."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def sign(blessing: Blessing, key: bytes) -> Blessing:
    """Return the blessing with its signature, in place of any it had."""
    return dataclasses.replace(blessing, signature=_signature(blessing, key))


def is_signed(blessing: Blessing, key: bytes) -> bool:
    """Return whether the blessing carries a valid signature."""
    if blessing.signature is None:
        return False
    expected = _signature(blessing, key)
    return hmac.compare_digest(blessing.signature.encode(), expected.encode())


def _signature(blessing: Blessing, key: bytes) -> str:
    unsigned = {name: item for name, item in blessing.to_json().items() if name != "signature"}
    message = canonical_json.dumps(unsigned)
    return "hmac-sha256:" + hmac.new(key, message, hashlib.sha256).hexdigest()
