"""A model is a directory with saved_model.pb and variables/; no TensorFlow is needed."""

import hashlib
import logging
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from pusher_workshop import Workshop


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(tmp_path)


@pytest.fixture
def fast_disk():
    """In memory where that is possible: an fsync there costs nothing, and order is what counts."""
    memory = Path("/dev/shm")
    directory = tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else None)
    yield Path(directory)
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def s3():
    """An S3 server in a thread; the URL of a bucket in it is made per test."""
    from moto.server import ThreadedMotoServer

    # its log would get between the lines that tests read
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["file", pytest.param("s3", marks=pytest.mark.slow)])
def url(request):
    """Details: on a disk, which is fast; and all of them on S3 where there is time."""
    return bucket_url(request)


@pytest.fixture(params=["s3", "file"])
def any_url(request):
    return bucket_url(request)


@pytest.fixture
def s3_url(request):
    request.param = "s3"
    return bucket_url(request)


def bucket_url(request):
    tmp_path = request.getfixturevalue("tmp_path")
    monkeypatch = request.getfixturevalue("monkeypatch")
    if request.param == "file":
        return f"file://{tmp_path}/bucket/flight_delays"
    import s3fs

    monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("s3"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    name = "models-" + hashlib.sha256(str(tmp_path).encode()).hexdigest()[:20]
    s3fs.S3FileSystem().mkdir(name)
    return f"s3://{name}/flight_delays"
