"""A web site that wants a header for the files under /private."""

from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEADER = "Bearer secret"


class GuardedFiles(SimpleHTTPRequestHandler):
    """One request for a file."""

    server: GuardedSite

    def do_GET(self) -> None:
        if self.path.startswith("/private/"):
            self.server.seen.append(self.headers.get("Authorization"))
            if self.headers.get("Authorization") != self.server.header:
                self.send_error(401)
                return
        self.path = "/" + self.path.rpartition("/")[2]
        super().do_GET()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class GuardedSite(ThreadingHTTPServer):
    """Serves the files of a folder, and keeps the headers that it received."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(GuardedFiles, directory=str(folder)))
        self.folder = folder
        self.address = f"127.0.0.1:{self.server_port}"
        self.seen: list[str | None] = []
        self.header = HEADER
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()


def serve(folder: Path) -> Iterator[GuardedSite]:
    """Run a site, and stop it afterwards."""
    site = GuardedSite(folder)
    yield site
    site.shutdown()
    site.server_close()
