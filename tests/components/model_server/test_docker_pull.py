"""Images come from a registry when the engine hasn't got them."""

import logging

import pytest
from image_registry import NAME, registry

from components.errors import ServerUnavailableError
from components.model_server import docker_image
from components.model_server.docker_image import ensure_image, image_digest

pytestmark = pytest.mark.docker


@pytest.fixture
def store(docker_client, request):
    with registry(request.node.name) as served:
        yield served
    for image in docker_client.images.list():
        names = (*image.tags, *image.attrs.get("RepoDigests", ()))
        if any(name.startswith(served.host) for name in names):
            docker_client.images.remove(image.id, force=True)


@pytest.mark.parametrize("reference", [":1", ""])
def test_a_missing_image_is_pulled_once(docker_client, store, reference):
    name = store.image(reference)
    image = ensure_image(docker_client, name, "missing")
    assert image_digest(image) == store.digest
    num_requests = len(store.requests)
    assert ensure_image(docker_client, name, "missing").id == image.id
    assert ensure_image(docker_client, name, "never").id == image.id
    assert len(store.requests) == num_requests


def test_a_pinned_image_is_pulled_by_its_digest(docker_client, store):
    image = ensure_image(docker_client, store.image(f"@{store.digest}"), "missing")
    assert image_digest(image) == store.digest
    manifests = [path for path in store.requests if "/manifests/" in path]
    assert set(manifests) == {f"/v2/{NAME}/manifests/{store.digest}"}


def test_always_asks_the_registry_again(docker_client, store):
    name = store.image(":1")
    ensure_image(docker_client, name, "always")
    num_requests = len(store.requests)
    ensure_image(docker_client, name, "always")
    assert len(store.requests) > num_requests


def test_the_progress_is_logged(docker_client, store, caplog, monkeypatch):
    monkeypatch.setattr(docker_image, "_PROGRESS_SECONDS", 0.0)
    caplog.set_level(logging.INFO)
    ensure_image(docker_client, store.image(":1"), "missing")
    assert caplog.messages[0] == f"Pulling the image {store.image(':1')}."
    assert caplog.messages[-1] == f"Pulled the image {store.image(':1')}."
    assert f"Pulling {store.image(':1')}: 1 × Pull complete" in caplog.messages


def test_a_tag_that_the_registry_hasnt(docker_client, store):
    with pytest.raises(ServerUnavailableError, match=rf"{store.image(':2')}' can't be pulled"):
        ensure_image(docker_client, store.image(":2"), "missing")


def test_a_registry_that_loses_a_layer(docker_client, store):
    """What fails after the pull has begun comes as an event, not as an error."""
    layers = [path for path, (_, blob) in store.contents.items() if blob[:2] == b"\x1f\x8b"]
    for path in layers:
        del store.contents[path]
    with pytest.raises(ServerUnavailableError, match=r"can't be pulled.*load it there"):
        ensure_image(docker_client, store.image(":1"), "missing")
