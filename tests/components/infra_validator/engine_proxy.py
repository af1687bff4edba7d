"""A way to the Docker engine that a test can cut."""

import contextlib
import socket
import threading


class EngineProxy:
    """Passes bytes between a socket of its own and the engine's, until it is cut.

    Args:
        path: of the socket to make.
        engine_path: of the engine's socket.
    """

    def __init__(self, path, engine_path):
        self.url = f"unix://{path}"
        self._path = path
        self._engine_path = engine_path
        self._open = []
        self._is_cut = False
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(64)
        self._threads = [self._in_thread(self._accept)]

    def cut(self):
        """Break all connections, and take no new ones."""
        self._is_cut = True
        for end in (self._server, *self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in (self._server, *self._open):
            end.close()

    def _accept(self):
        while not self._is_cut:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            self._open += [near, far]
            far.connect(self._engine_path)
            for source, target in ((near, far), (far, near)):
                self._threads.append(self._in_thread(self._pass, source, target))

    def _pass(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def _in_thread(self, act, *arguments):
        thread = threading.Thread(target=act, args=arguments, daemon=True)
        thread.start()
        return thread
