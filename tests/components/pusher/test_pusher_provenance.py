"""OpenSSF model signatures, verified by that project's own command."""

import subprocess
import sys
from pathlib import Path

import pytest

from components import pusher
from components.errors import ConfigurationError
from components.pusher.status import table


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    directory = tmp_path_factory.mktemp("keys")
    private = ec.generate_private_key(ec.SECP256R1())
    pem = serialization.Encoding.PEM
    (directory / "private.pem").write_bytes(
        private.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (directory / "public.pem").write_bytes(
        private.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return directory


def verify(version: Path, signature: Path, keys: Path) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("model_signing")
    flags = ["--signature", signature, "--public_key", keys / "public.pem"]
    return subprocess.run(
        [command, "verify", "key", version, *flags], capture_output=True, text=True, check=False
    )


def signature_of(workshop, version: str) -> Path:
    return workshop.folder.state_directory / "signatures" / f"{version}.sig"


def test_the_projects_own_command_verifies_what_was_published(workshop, keys):
    pushed = workshop.push(workshop.model(), model_signing_key=keys / "private.pem")

    verified = verify(Path(pushed.uri), signature_of(workshop, pushed.version), keys)

    assert verified.returncode == 0, verified.stderr + verified.stdout


@pytest.mark.slow
@pytest.mark.parametrize("change", ["changed", "missing", "extra"])
def test_the_projects_own_command_finds_a_change(workshop, keys, change):
    pushed = workshop.push(workshop.model(), model_signing_key=keys / "private.pem")
    graph = Path(pushed.uri) / "saved_model.pb"
    if change == "changed":
        graph.write_text("GRAPH")
    elif change == "missing":
        graph.unlink()
    else:
        graph.with_name("extra").write_text("")

    assert verify(Path(pushed.uri), signature_of(workshop, pushed.version), keys).returncode != 0


def test_the_signature_names_the_version_and_is_there_before_it_appears(
    workshop, keys, monkeypatch
):
    import base64
    import json

    from components.pusher import disk

    seen = []

    def look(step, path):
        if step == "rename" and path.parent == workshop.base:
            seen.append(signature_of(workshop, path.name).exists())

    monkeypatch.setattr(disk, "_observers", [look])
    pushed = workshop.push(workshop.model(), model_signing_key=keys / "private.pem")

    bundle = json.loads(signature_of(workshop, pushed.version).read_text())
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    assert seen == [True]
    assert statement["subject"][0]["name"] == pushed.version


def test_without_a_key_nothing_is_signed(workshop):
    workshop.publish(2)

    assert not (workshop.folder.state_directory / "signatures").exists()


def test_status_says_what_is_signed(workshop, keys):
    workshop.publish(2)
    pushed = workshop.push(workshop.model("b", 3), model_signing_key=str(keys / "private.pem"))

    shown = pusher.status(base_directory=str(workshop.base))

    assert shown.versions[0].signature == str(signature_of(workshop, pushed.version))
    assert shown.versions[1].signature is None
    assert "signed" in table(shown)
    assert pusher.lint(base_directory=str(workshop.base)).findings == ()


def test_the_signature_travels_through_a_bucket(workshop, keys):
    pushed = workshop.push(workshop.model(), model_signing_key=keys / "private.pem")
    url, replica = f"file://{workshop.directory}/bucket", workshop.directory / "replica"

    pusher.mirror(base_directory=str(workshop.base), to=url)
    pusher.pull(source=url, base_directory=str(replica))

    copy = replica / ".imprimatur" / "signatures" / f"{pushed.version}.sig"
    assert copy.read_bytes() == signature_of(workshop, pushed.version).read_bytes()


@pytest.mark.parametrize("content", [None, "no key"])
def test_a_key_that_can_not_be_read_is_a_configuration_error(workshop, content):
    path = workshop.directory / "key.pem"
    if content is not None:
        path.write_text(content)

    with pytest.raises(ConfigurationError, match="openssl ecparam"):
        workshop.push(workshop.model(), model_signing_key=path)

    assert not workshop.base.exists()
