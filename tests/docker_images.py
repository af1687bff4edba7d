"""Images for tests, built where no registry may be reachable: a Debian of our own, ours on top.

Built once and kept in the engine under a tag that says what is in them. Several processes may ask
at once.
"""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import docker
from filelock import FileLock

ROOT = Path(__file__).resolve().parents[1]
BASE_IMAGE = "imprimatur-test-base:bookworm"
MODEL_SERVER = "imprimatur-test-model-server"
AIRFLOW = "imprimatur-test-airflow"
STORES = "imprimatur-test-stores"
SCRIPT = "imprimatur-test-script"
_SUITE = "bookworm"
_PACKAGES = ("python3", "python3-venv", "python3-pip", "ca-certificates")
_CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_PIP_CONFIG = Path("/etc/pip.conf")
_PIP_VARIABLES = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST")
_LOCK_SECONDS = 1800


def base_image(client):
    """Return the tag of a small Debian with Python, which trusts whom this machine trusts."""
    with _lock("base"):
        if not _exists(client, BASE_IMAGE):
            with tempfile.TemporaryDirectory() as directory:
                tree = Path(directory, "root")
                include = f"--include={','.join(_PACKAGES)}"
                _run("debootstrap", "--variant=minbase", include, _SUITE, str(tree))
                import_tree(tree)
    return BASE_IMAGE


def import_tree(tree):
    """Make the base image of a finished debootstrap."""
    shutil.copy(_CA_BUNDLE, tree / _CA_BUNDLE.relative_to("/"))
    if _PIP_CONFIG.is_file():
        shutil.copy(_PIP_CONFIG, tree / _PIP_CONFIG.relative_to("/"))
    variables = {name: os.environ[name] for name in _PIP_VARIABLES if name in os.environ}
    changes = []
    for name, value in ({"PIP_CERT": str(_CA_BUNDLE)} | variables).items():
        changes += ["--change", f"ENV {name}={value}"]
    tar = subprocess.Popen(["tar", "-C", str(tree), "-c", "."], stdout=subprocess.PIPE)
    with tar.stdout:
        _run("docker", "import", *changes, "-", BASE_IMAGE, stdin=tar.stdout)
    assert tar.wait() == 0


def model_server_image(client):
    """Return the tag of an image built by `docker/model_server/Dockerfile` of these sources."""
    return _image_of(client, MODEL_SERVER, "docker/model_server", ("components",))


def airflow_image(client):
    """Return the tag of an image built by `docker/airflow/Dockerfile` of these sources."""
    folders = ("components", "dags", "models", "operators", "plugins", "scripts")
    return _image_of(client, AIRFLOW, "docker/airflow", folders)


def _image_of(client, name, directory, folders):
    base = base_image(client)
    tag = f"{name}:{_content_hash(base, ROOT / '.dockerignore', ROOT / directory, *folders)}"
    with _lock(name):
        if not _exists(client, tag):
            build(client, f"{directory}/Dockerfile", tag, BASE_IMAGE=base)
    return tag


def stores_image(client):
    """Return the tag of an image that is PostgreSQL or Redis, as it is told."""
    base = base_image(client)
    directory = ROOT / "tests" / "integration" / "stack_stores"
    tag = f"{STORES}:{_content_hash(base, directory)}"
    with _lock(STORES):
        if not _exists(client, tag):
            arguments = {"BASE_IMAGE": base}
            client.images.build(path=str(directory), tag=tag, buildargs=arguments, rm=True)
    return tag


def script_image(client, code):
    """Return the tag of an image whose server is a Python script; fit for what needs no model."""
    base = base_image(client)
    tag = f"{SCRIPT}:{hashlib.sha256((base + code).encode()).hexdigest()[:16]}"
    with _lock("script"):
        if not _exists(client, tag):
            entrypoint = json.dumps(["python3", "-u", "-c", code])
            dockerfile = f"FROM {base}\nENTRYPOINT {entrypoint}\n"
            client.images.build(fileobj=io.BytesIO(dockerfile.encode()), tag=tag, rm=True)
    return tag


def build(client, dockerfile, tag, **arguments):
    """Build an image of this project as its users do."""
    client.images.build(
        path=str(ROOT), dockerfile=dockerfile, tag=tag, buildargs=arguments, rm=True, forcerm=True
    )


def _content_hash(base, *sources):
    """Return what changes whenever an image of these files and folders would."""
    digest = hashlib.sha256(base.encode())
    for path in sorted(path for source in sources for path in _files(ROOT / source)):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(ROOT)} {content}\n".encode())
    return digest.hexdigest()[:16]


def _files(source):
    found = [source, *source.rglob("*")]
    return [path for path in found if path.is_file() and "__pycache__" not in path.parts]


def _exists(client, tag):
    try:
        client.images.get(tag)
    except docker.errors.ImageNotFound:
        return False
    return True


def _lock(name):
    path = Path(tempfile.gettempdir(), f"imprimatur-test-{name}.lock")
    return FileLock(path, timeout=_LOCK_SECONDS)


def _run(*command, stdin=subprocess.DEVNULL):
    done = subprocess.run(command, stdin=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}"
