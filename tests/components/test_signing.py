"""Signatures of blessings, checked against hmac and json of the standard library."""

import argparse
import base64
import dataclasses
import hashlib
import hmac
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from components import command_line, signing
from components.errors import ConfigurationError
from components.records import Blessing, Finding, Model, Subject, Validator

KEY = bytes(range(32))


def blessing(**fields) -> Blessing:
    defaults = {
        "kind": "evaluation",
        "blessed": True,
        "subject": Subject("model", "sha256:" + "0" * 64),
        "findings": (Finding("value_threshold", True, "AUC ≥ 0.7", metric="auc", observed=0.75),),
        "validator": Validator("test", "1"),
        "issued_at": "2026-01-01T00:00:00Z",
    }
    return Blessing(**{**defaults, **fields})


def test_a_signature_is_hmac_sha256_over_canonical_json():
    unsigned = {name: item for name, item in blessing().to_json().items() if name != "signature"}
    # For text, true, null and short decimals RFC 8785 is what json.dumps makes with these options.
    canonical = json.dumps(unsigned, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    expected = hmac.new(KEY, canonical.encode(), hashlib.sha256).hexdigest()

    assert signing.sign(blessing(), KEY).signature == f"hmac-sha256:{expected}"


def test_a_signature_survives_the_way_through_json():
    signed = signing.sign(blessing(), KEY)

    travelled = Blessing.from_json(json.loads(json.dumps(signed.to_json())))

    assert signing.is_signed(travelled, KEY)


def test_any_change_breaks_it():
    signed = signing.sign(blessing(), KEY).to_json()

    changed = Blessing.from_json({**signed, "blessed": False})

    assert not signing.is_signed(changed, KEY)
    assert not signing.is_signed(Blessing.from_json(signed), KEY[::-1])
    assert not signing.is_signed(blessing(), KEY)


def test_signing_again_replaces_the_signature():
    once = signing.sign(blessing(), KEY)

    assert signing.sign(once, KEY) == once


def test_a_number_beyond_what_a_double_holds_is_signed_exactly():
    def served(seed):
        model = Model(uri="/m", digest="d", num_bytes=1, hyperparameters={"seed": seed})
        return blessing(served_model=model)

    signed = signing.sign(served(2**60), KEY)

    assert signing.is_signed(Blessing.from_json(json.loads(json.dumps(signed.to_json()))), KEY)
    next_to_it = dataclasses.replace(served(2**60 + 1), signature=signed.signature)
    assert not signing.is_signed(next_to_it, KEY)


def test_a_command_that_needs_no_key_hides_it_from_what_it_runs(monkeypatch):
    monkeypatch.setattr(signing, "close_proc", lambda: None)
    monkeypatch.setenv(signing.KEY_VARIABLE, base64.b64encode(KEY).decode())
    seen = []

    def execute(arguments):
        seen.append(os.environ.get(signing.KEY_VARIABLE))
        return blessing()

    assert command_line.run(argparse.ArgumentParser(), execute, []) == 0
    assert seen == [None]
    assert signing.take_key_from_environment() is None


def test_the_key_is_taken_out_of_the_environment(monkeypatch):
    monkeypatch.setattr(signing, "close_proc", lambda: None)
    monkeypatch.setenv(signing.KEY_VARIABLE, base64.b64encode(KEY).decode())

    assert signing.take_key_from_environment() == KEY
    assert signing.KEY_VARIABLE not in os.environ
    assert signing.take_key_from_environment() is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PR_GET_DUMPABLE is of Linux")
@pytest.mark.parametrize("given", [True, False])
def test_the_environment_that_it_began_with_is_hidden_from_children(given):
    code = (
        "import ctypes; from components import signing; signing.take_key_from_environment()\n"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    key = {signing.KEY_VARIABLE: base64.b64encode(KEY).decode()} if given else {}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **key},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == ("0" if given else "1")


@pytest.mark.parametrize(
    ("text", "reason"),
    [("not base64!", "isn't base64"), (base64.b64encode(b"k" * 31).decode(), "has 31 bytes")],
)
def test_a_bad_key_is_a_configuration_error_that_does_not_show_it(text, reason):
    with pytest.raises(ConfigurationError, match=reason) as caught:
        signing.parse_key(text)

    assert text not in str(caught.value)
