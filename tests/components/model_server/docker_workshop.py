"""Starts containers whose server is a script of the test's, and looks at what is left of them."""

import json
import os
import subprocess
import time
import urllib.request

import docker_images
from components.model_server import Docker, DockerSettings

LABEL = "imprimatur.owner"
DEADLINE_SECONDS = 120.0
WAIT = "import time\nprint('up')\ntime.sleep(3600)"
SERVE = """
import http.server, sys
flags = dict(a[2:].split("=", 1) for a in sys.argv[1:])
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"here I am")
http.server.HTTPServer(("0.0.0.0", int(flags["rest_api_port"])), Answer).serve_forever()
"""


class Workshop:
    """Starts servers, and stops those that a test left running."""

    def __init__(self, client, directory):
        self.client = client
        self.directory = directory
        self._servers = []
        base_path = directory / "model"
        (base_path / "1").mkdir(parents=True)
        (base_path / "1" / "saved_model.pb").write_bytes(b"a model")
        self.base_path = base_path

    def image(self, code):
        return docker_images.script_image(self.client, code)

    def start(self, code, **settings):
        settings = {"image": self.image(code), "pull": "never"} | settings
        server = Docker(DockerSettings(**settings)).start(
            self.base_path,
            model_name="m",
            log_path=self.directory / "server.log",
        )
        self._servers.append(server)
        return server

    def run(self, code, **settings):
        """Run to the end; return the exit code and what it printed, as JSON."""
        server = self.start(code, **settings)
        exit_code = server.wait(DEADLINE_SECONDS)
        server.stop()
        text = server.log_path.read_text()
        assert exit_code == 0, text
        return json.loads(text)

    @staticmethod
    def await_answer(endpoints):
        """Wait until the script `SERVE` answers; return what it says."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            try:
                with urllib.request.urlopen(endpoints.rest_url, timeout=5) as answer:
                    return answer.read()
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def containers(self, pid=None):
        """What a process has in the engine, running or not; others may test beside us."""
        return {item["Id"] for item in self._owned(self.client.api.containers, pid, all=True)}

    def networks(self, pid=None):
        return {item["Name"] for item in self._owned(self.client.api.networks, pid)}

    def inspect(self, server):
        return self.client.api.inspect_container(server.container_id)

    def close(self):
        for server in self._servers:
            server.stop()

    @staticmethod
    def _owned(ask, pid, **options):
        for item in ask(filters={"label": LABEL}, **options):
            if json.loads(item["Labels"][LABEL])["pid"] == (pid or os.getpid()):
                yield item


def poll(condition, seconds=DEADLINE_SECONDS):
    """Wait until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        time.sleep(0.05)


def command(*arguments):
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
