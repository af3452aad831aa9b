"""The client with a server that is unavailable, loses answers, or returns no JSON."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from click.testing import CliRunner

import mediaq
from mediaq.cli import commands
from mediaq.cli.context import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator


class Flaky(BaseHTTPRequestHandler):
    """A server whose first answers are lost, or tell that something is away."""

    lost: ClassVar[int] = 0
    bad: ClassVar[int] = 0
    says: ClassVar[bytes] = b'{"ok":true,"stats":{},"bullJobId":"x"}'
    cut: ClassVar[int] = 0
    seen: ClassVar[list[str]] = []
    authorizations: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.seen.append(self.path)
        self.authorizations.append(self.headers["Authorization"])
        if len(self.seen) <= self.lost:
            self.close_connection = True
            return
        away = len(self.seen) <= self.bad
        body = self.says if not away else b'{"ok":false,"error":"Redis connection refused"}'
        self.send_response(503 if away else 200)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(body) + self.cut))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def flaky() -> Iterator[mediaq.Client]:
    Flaky.seen.clear()
    Flaky.authorizations.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Flaky)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    yield mediaq.Client(url, url, token="t")
    server.shutdown()
    server.server_close()


class TestRepeating:
    def test_a_short_absence_is_not_noticed(self, flaky: mediaq.Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Flaky, "bad", 3)
        assert flaky.stats()["ok"] is True
        assert len(Flaky.seen) == 4

    def test_a_lost_answer_is_asked_for_again_where_that_changes_nothing(
        self, flaky: mediaq.Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Flaky, "lost", 2)
        assert flaky.enqueue("a", "thumbnail") == "x"
        assert len(Flaky.seen) == 3

    def test_and_only_there(self, flaky: mediaq.Client, monkeypatch: pytest.MonkeyPatch) -> None:
        """A retry whose answer was lost may have run, and failed, already."""
        monkeypatch.setattr(Flaky, "lost", 2)
        with pytest.raises(mediaq.Unreachable):
            flaky.retry("a")
        assert len(Flaky.seen) == 1

    def test_an_upload_is_made_once(self, flaky: mediaq.Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        file = tmp_path / "clip.mp4"
        file.write_bytes(b"a film")
        monkeypatch.setattr(Flaky, "bad", 1)
        with pytest.raises(mediaq.Unreachable):
            flaky.upload(file)
        assert len(Flaky.seen) == 1

    def test_health_says_what_is_away(self, flaky: mediaq.Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Flaky, "bad", 99)
        assert flaky.health()["ok"] is False
        assert len(Flaky.seen) == 1

    def test_a_download_is_there_whole_or_not_at_all(
        self, flaky: mediaq.Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(Flaky, "cut", 10)
        with pytest.raises(mediaq.Unreachable, match="broke off"):
            flaky.download("f", tmp_path / "out.mp4")
        assert list(tmp_path.iterdir()) == []

    def test_what_is_no_json_is_said(self, flaky: mediaq.Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Flaky, "says", b"<html>")
        with pytest.raises(mediaq.MediaqError, match="is it the address of the API"):
            flaky.stats()

    def test_a_netrc_is_not_taken_for_the_token(
        self, flaky: mediaq.Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "netrc").write_text("default login somebody password secret")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        flaky.stats()
        assert Flaky.authorizations == ["Bearer t"]

    def test_a_long_one_is_said(self, flaky: mediaq.Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Flaky, "bad", 99)
        with pytest.raises(mediaq.Unreachable, match="is unavailable: Redis connection refused; try again later"):
            flaky.stats()


def test_watching_goes_on_through_an_absence(flaky: mediaq.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    naps = iter([0, 0])
    monkeypatch.setattr(Flaky, "bad", 5)  # a whole call with its repetitions
    monkeypatch.setattr(commands, "time", SimpleNamespace(sleep=lambda seconds: next(naps)))  # its third round is none
    settings = Settings(None, None, None)
    settings.__dict__["client"] = flaky
    done = CliRunner().invoke(commands.stats, ["--watch", "--json"], obj=settings)
    assert isinstance(done.exception, StopIteration)
    assert done.stderr.count("is unavailable: Redis connection refused") == 1
    assert done.stdout.count('"ok": true') == 2
