"""A web site whose file takes as long as a test wants."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local.client import CreatorApp


PADDING_BYTES = 32 << 20
"""An empty box behind the film: large enough that its download stays at 0 % for minutes."""
PIECE_BYTES = 256
"""Ten times a second: a worker gives up below a KiB a second."""


class SlowSite(ThreadingHTTPServer):
    """Hands a film out slowly until it is told to be quick: a job that takes as long as a test wants."""

    daemon_threads = True

    def __init__(self, film: bytes) -> None:
        super().__init__(("127.0.0.1", 0), SlowFilm)
        self.film = film + PADDING_BYTES.to_bytes(4, "big") + b"free" + bytes(PADDING_BYTES - 8)
        self.quick = threading.Event()
        self.address = f"127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def begin(self, app: CreatorApp) -> str:
        """Enqueue a download that takes until the site is told to be quick, and return the record's id."""
        self.quick.clear()
        job_id = app.create_record("download", None, input_url=f"http://{self.address}/film.mp4")
        assert app.enqueue(job_id, "download").status_code == 200
        return job_id


class SlowFilm(BaseHTTPRequestHandler):
    """One request for the film."""

    server: SlowSite

    def do_GET(self) -> None:
        film = self.server.film
        self.send_response(200)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Content-Length", str(len(film)))
        self.end_headers()
        at = 0
        while at < len(film) - 1 and not self.server.quick.wait(0.1):
            self.wfile.write(film[at : at + PIECE_BYTES])
            at += PIECE_BYTES
        self.wfile.write(film[at:])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def serve(film: bytes) -> Iterator[SlowSite]:
    """Run the site; whatever still waits for the film gets it in the end."""
    running = SlowSite(film)
    yield running
    running.quick.set()
    running.shutdown()
    running.server_close()
