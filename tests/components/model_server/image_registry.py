"""A registry of one image, by Docker's registry API version 2, in a thread."""

import gzip
import hashlib
import http.server
import io
import json
import platform
import tarfile
import threading
from contextlib import contextmanager

NAME = "tiny/server"
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class Registry:
    """What is asked for, and what was asked.

    Attributes:
        host: ``127.0.0.1:port``; an engine on this machine takes it without TLS.
        digest: of the image's manifest.
        requests: the paths that were asked for.
    """

    def __init__(self, host, label):
        self.host = host
        self.requests = []
        tar = _tar({"server": b"not really one " + label.encode()})
        layer = gzip.compress(tar, mtime=0)
        config = json.dumps(
            {
                "architecture": _ARCHITECTURES[platform.machine()],
                "os": "linux",
                "config": {"Entrypoint": ["/server"]},
                "rootfs": {"type": "layers", "diff_ids": [_digest(tar)]},
            }
        ).encode()
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": _MANIFEST,
                "config": _described(_CONFIG, config),
                "layers": [_described(_LAYER, layer)],
            }
        ).encode()
        self.digest = _digest(manifest)
        blobs = {_digest(blob): blob for blob in (config, layer)}
        self.contents = {"/v2/": ("application/json", b"{}")}
        for reference in ("1", "latest", self.digest):
            self.contents[f"/v2/{NAME}/manifests/{reference}"] = (_MANIFEST, manifest)
        for digest, blob in blobs.items():
            self.contents[f"/v2/{NAME}/blobs/{digest}"] = ("application/octet-stream", blob)

    def image(self, reference):
        return f"{self.host}/{NAME}{reference}"


@contextmanager
def registry(label):
    """Run one; each label makes another image."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self._answer(sends_body=True)

        def do_HEAD(self):
            self._answer(sends_body=False)

        def _answer(self, *, sends_body):
            served.requests.append(self.path)
            if self.path not in served.contents:
                self.send_error(404)
                return
            kind, content = served.contents[self.path]
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Docker-Content-Digest", _digest(content))
            self.end_headers()
            if sends_body:
                self.wfile.write(content)

        def log_message(self, *arguments):
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served = Registry(f"127.0.0.1:{server.server_port}", label)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield served
        server.shutdown()
        thread.join()


def _tar(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def _described(kind, content):
    return {"mediaType": kind, "size": len(content), "digest": _digest(content)}


def _digest(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
