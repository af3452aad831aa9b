"""Downloads from a caller's address: only public ones, looked at once, redirects included."""

from __future__ import annotations

import ipaddress
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.errors import AttemptFailed, MediaRejected
from workers.fetch import Fetcher, is_public

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PRIVATE = [
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254",
    "169.254.170.2", "192.0.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1",
    "2002:7f00:1::", "2002:808:808::", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2a01:4f8::5efe:7f00:1", "2a01:4f8::200:5efe:808:808", "2001:db8::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "2a01:4f8::1"])
def test_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


class Site(BaseHTTPRequestHandler):
    """A web site with everything that can go wrong."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        paths: dict[str, Any] = {
            "/ok": (200, {"Content-Length": "3"}, b"abc"),
            "/missing": (404, {}, b""),
            "/busy": (503, {}, b""),
            "/short": (200, {"Content-Length": "10"}, b"abc"),
            "/zipped": (200, {"Content-Encoding": "gzip"}, b"abc"),
            "/there": (302, {"Location": "/ok"}, b""),
            "/round": (302, {"Location": "/round"}, b""),
            "/inside": (302, {"Location": "http://169.254.169.254/latest/meta-data"}, b""),
            "/file": (302, {"Location": "file:///etc/passwd"}, b""),
        }
        code, headers, body = paths[self.path]
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def get(url: str, target: Path, allow: str = "") -> bytes:
    Fetcher(frozenset([allow] if allow else [])).download(url, target / "file", lambda got, expected: None)
    return (target / "file").read_bytes()


def test_streamed_to_disk_and_redirects_followed(site: str, tmp_path: Path) -> None:
    assert get(f"http://{site}/ok", tmp_path, site) == b"abc"
    (tmp_path / "file").unlink()
    assert get(f"http://{site}/there", tmp_path, site) == b"abc"


@pytest.mark.parametrize(
    ("path", "error", "text"),
    [
        ("/missing", MediaRejected, "status 404"),
        ("/busy", AttemptFailed, "status 503"),
        ("/short", AttemptFailed, "broke the download off"),
        ("/zipped", MediaRejected, "Content-Encoding"),
        ("/round", MediaRejected, "redirects more than 3 times"),
        ("/inside", MediaRejected, "public address"),
        ("/file", MediaRejected, "http or https"),
    ],
)
def test_what_goes_wrong(site: str, tmp_path: Path, path: str, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        get(f"http://{site}{path}", tmp_path, site)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://localhost./",
    ],
)
def test_loopback_by_any_name(tmp_path: Path, url: str) -> None:
    with pytest.raises((MediaRejected, AttemptFailed)) as caught:
        get(url, tmp_path)
    assert "public address" in str(caught.value) or "could not be found" in str(caught.value)


@pytest.mark.parametrize("url", ["http://example.com:6379/", "https://example.com:22/", "http://example.com:443/"])
def test_other_ports(tmp_path: Path, url: str) -> None:
    with pytest.raises(MediaRejected, match="port"):
        get(url, tmp_path)


def test_one_private_address_among_public_ones_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [(2, 1, 6, "", (one, 80)) for one in ("93.184.216.34", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    with pytest.raises(MediaRejected, match="public address"):
        get("http://two-faced.example/", tmp_path)


def test_a_name_is_resolved_once(site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection goes to the address that was looked at."""
    asked: list[str] = []
    port = int(site.rsplit(":", 1)[1])
    real = socket.getaddrinfo

    def rebinding(host: str, *arguments: Any, **options: Any) -> Any:
        if host == "rebound.example":
            asked.append(host)
            return [(2, 1, 6, "", ("127.0.0.1", port))]
        return real(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    assert get(f"http://rebound.example:{port}/ok", tmp_path, f"rebound.example:{port}") == b"abc"
    assert asked == ["rebound.example"]
