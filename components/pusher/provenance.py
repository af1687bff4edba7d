r"""OpenSSF model signatures of what is published, by the `model-signing` library.

Whoever has the public key can verify a version without Imprimatur::

    model_signing verify key serving/flight_delays/20130901000000 \
        --signature serving/flight_delays/.imprimatur/signatures/20130901000000.sig \
        --public_key public.pem

The signature covers each file's name and SHA-256; missing, changed and extra files fail.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.errors import ConfigurationError
from components.pusher.locked_folder import LockedFolder


@dataclass(frozen=True)
class Signer:
    """Signs with one private key, which was read already."""

    config: Any

    def sign(self, folder: LockedFolder, staged: Path, number: int) -> None:
        """Sign a staged version; the signature is in place before the version appears."""
        with tempfile.TemporaryDirectory(prefix="imprimatur-") as scratch:
            signature = Path(scratch) / "model.sig"
            self.config.sign(staged, signature)
            folder.write_signature(number, signature.read_text(encoding="utf-8"))


def load_signer(private_key: str | Path) -> Signer:
    """Read an elliptic curve key (P-256, P-384, P-521) in PEM, without password.

    Raises:
        ConfigurationError: it can't be read, or the library isn't installed.
    """
    try:
        from model_signing import signing
    except ImportError as error:
        raise ConfigurationError(
            f"model signatures need the packages of imprimatur[provenance]: {error}; install them"
        ) from error
    try:
        return Signer(signing.Config().use_elliptic_key_signer(private_key=private_key))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"no model signing key can be read from {str(private_key)!r}: {error}; make one with "
            "'openssl ecparam -name prime256v1 -genkey -noout'"
        ) from error
