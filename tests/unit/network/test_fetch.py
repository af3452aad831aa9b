"""Downloads and deliveries: public addresses only, resolved once, redirects included."""

from __future__ import annotations

import hashlib
import shutil
import socket
import ssl
import threading
import time
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.errors import AttemptFailed, JobCancelled, MediaRejected, RetryLater
from tests.unit.network.site import DATA, Site, make_certificate
from workers.network import fetch, watched_request
from workers.network.authorization import Authorization
from workers.network.fetch import Fetcher

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "RESUME_SECONDS", 0.01)


def get(url: str, target: Path, *allow: str, **options: Any) -> bytes:
    fetched = Fetcher(frozenset(allow)).download(url, target / "file", **options)
    data = (target / "file").read_bytes()
    assert (fetched.bytes, fetched.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    return data


def test_streamed_to_disk_and_redirects_followed(site: str, tmp_path: Path) -> None:
    assert get(f"http://{site}/ok", tmp_path, site) == b"abc"
    assert get(f"http://{site}/there", tmp_path, site) == b"abc"


@pytest.mark.parametrize(
    ("path", "error", "text"),
    [
        ("/missing", MediaRejected, "status 404"),
        ("/busy", AttemptFailed, "status 503"),
        ("/short", AttemptFailed, "sent less than it had announced|broke the download off"),
        ("/huge", MediaRejected, "larger than"),
        ("/headers", AttemptFailed, "could not be reached"),
        ("/zipped", MediaRejected, "Content-Encoding"),
        ("/round", MediaRejected, "redirects more than 3 times"),
        ("/inside", MediaRejected, "public address"),
        ("/file", MediaRejected, "http or https"),
    ],
)
def test_what_goes_wrong(site: str, tmp_path: Path, path: str, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        get(f"http://{site}{path}", tmp_path, site)


@pytest.mark.parametrize(("path", "seconds"), [("/wait", 120), ("/wait-long", 3600), ("/wait-until", 90)])
def test_a_server_that_asks_for_patience(site: str, tmp_path: Path, path: str, seconds: float) -> None:
    with pytest.raises(RetryLater) as asked:
        get(f"http://{site}{path}", tmp_path, site)
    assert asked.value.seconds == pytest.approx(seconds, abs=3)


@pytest.mark.parametrize("path", ["/wait-nonsense", "/wait-past", "/busy"])
def test_one_that_does_not_say_how_long(site: str, tmp_path: Path, path: str) -> None:
    with pytest.raises(AttemptFailed) as failed:
        get(f"http://{site}{path}", tmp_path, site)
    assert not isinstance(failed.value, RetryLater)


@pytest.mark.parametrize("path", ["/caf\u00e9/na\u00efve film.mp4?q=\u00fc", "/to-letters"])
def test_letters_and_spaces_are_encoded_as_browsers_do(site: str, tmp_path: Path, path: str) -> None:
    assert get(f"http://{site}{path}", tmp_path, site) == b"abc"


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


class TestBounds:
    def test_more_than_asked_for_is_not_taken(self, site: str, tmp_path: Path) -> None:
        with pytest.raises(MediaRejected, match="larger than 1000 bytes"):
            get(f"http://{site}/endless", tmp_path, site, max_bytes=1000)
        assert (tmp_path / "file").stat().st_size <= 1000

    def test_a_length_that_is_too_much_is_refused_before_a_byte_is_written(self, site: str, tmp_path: Path) -> None:
        with pytest.raises(MediaRejected, match="larger than 2 bytes"):
            get(f"http://{site}/ok", tmp_path, site, max_bytes=2)
        assert not (tmp_path / "file").exists()

    @pytest.mark.parametrize(("path", "text"), [("/drip-head", "did not answer within"), ("/drip-body", "too slow")])
    def test_a_byte_now_and_then(
        self, site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, text: str
    ) -> None:
        monkeypatch.setattr(watched_request, "HEAD_SECONDS", 0.5)
        monkeypatch.setattr(watched_request, "PACE_SECONDS", 0.5)
        started = time.monotonic()
        with pytest.raises(AttemptFailed, match=text):
            get(f"http://{site}{path}", tmp_path, site)
        assert time.monotonic() - started < 10

    def test_the_time_it_may_take_in_all(self, site: str, tmp_path: Path) -> None:
        with pytest.raises(AttemptFailed, match="longer than it may"):
            get(f"http://{site}/drip-body", tmp_path, site, seconds=0.5)

    @pytest.mark.parametrize("path", ["/drip-head", "/drip-body"])
    def test_a_cancel_is_heard_while_the_server_drips(self, site: str, tmp_path: Path, path: str) -> None:
        started = time.monotonic()

        def check() -> None:
            if time.monotonic() - started > 0.3:
                raise JobCancelled("Cancelled")

        with pytest.raises(JobCancelled):
            get(f"http://{site}{path}", tmp_path, site, check=check)
        assert time.monotonic() - started < 3

    def test_a_disk_that_is_full(self, site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        usage = shutil.disk_usage(tmp_path)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(total=1 << 40, free=2))
        with pytest.raises(OSError, match="No space left"):
            get(f"http://{site}/ok", tmp_path, site)


class TestBrokenConnections:
    def test_goes_on_where_it_broke_off(self, site: str, tmp_path: Path) -> None:
        Site.seen.clear()
        assert get(f"http://{site}/resume", tmp_path, site) == DATA
        asked = [headers.get("Range") for _, headers in Site.seen]
        assert len(asked) == 4
        assert asked[0] is None
        assert all(asked[1:])
        assert {headers.get("If-Range") for _, headers in Site.seen[1:]} == {'"v1"'}

    def test_parts_that_are_shorter_than_what_is_missing(self, site: str, tmp_path: Path) -> None:
        assert get(f"http://{site}/short-part", tmp_path, site) == DATA

    def test_a_part_that_is_not_there_any_more(self, site: str, tmp_path: Path) -> None:
        Site.asked = 0
        assert get(f"http://{site}/416", tmp_path, site) == DATA

    def test_a_part_that_nobody_asked_for(self, site: str, tmp_path: Path) -> None:
        with pytest.raises(AttemptFailed, match="another part of the file"):
            get(f"http://{site}/unasked", tmp_path, site)

    def test_starts_anew_when_the_file_has_changed(self, site: str, tmp_path: Path) -> None:
        assert get(f"http://{site}/changed", tmp_path, site) == DATA


class TestCredentials:
    def test_stay_with_their_origin(self, site: str, tmp_path: Path) -> None:
        other = site.replace("127.0.0.1", "localhost")
        own = Authorization.of_headers({"Authorization": "Bearer x"})
        Site.seen.clear()
        assert get(f"http://{site}/elsewhere", tmp_path, site, other, authorization=own) == b"abc"
        assert get(f"http://{site}/there", tmp_path, site, authorization=own) == b"abc"
        assert [(path, "Authorization" in headers) for path, headers in Site.seen] == [
            ("/elsewhere", True), ("/ok", False), ("/there", True), ("/ok", True),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "name"), [("/a%20file%20of%20mine.mov?x=1", "a file of mine.mov"), ("/named", "naïve.mp4"), ("/ok", "ok")]
)
def test_names(site: str, tmp_path: Path, path: str, name: str) -> None:
    assert Fetcher(frozenset([site])).download(f"http://{site}{path}", tmp_path / "file").name == name


@pytest.fixture(scope="module")
def tls_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The same site behind TLS, its certificate for localhost only."""
    certificate, key = make_certificate(tmp_path_factory.mktemp("tls"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"localhost:{server.server_port}", certificate
    server.shutdown()
    server.server_close()


@pytest.fixture
def trusted(tls_site: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """That site, its certificate trusted as an operator would."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tls_site[1]))
    watched_request._tls.cache_clear()
    yield tls_site[0]
    watched_request._tls.cache_clear()


class TestTls:
    def test_the_certificate_must_be_of_the_name(self, trusted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert get(f"https://{trusted}/ok", tmp_path, trusted) == b"abc"
        other = trusted.replace("localhost", "127.0.0.1")
        with pytest.raises(AttemptFailed, match="could not be reached"):
            get(f"https://{other}/ok", tmp_path, other)

    def test_an_unknown_issuer(self, tls_site: tuple[str, Path], tmp_path: Path) -> None:
        with pytest.raises(AttemptFailed, match="could not be reached"):
            get(f"https://{tls_site[0]}/ok", tmp_path, tls_site[0])

    def test_no_way_back_to_plain_http(self, trusted: str, tmp_path: Path) -> None:
        with pytest.raises(MediaRejected, match="redirects from https to another scheme"):
            get(f"https://{trusted}/elsewhere", tmp_path, trusted)

    def test_put(self, trusted: str, tmp_path: Path) -> None:
        (tmp_path / "clip").write_bytes(DATA)
        Site.seen.clear()
        fetcher = Fetcher(frozenset([trusted]))
        assert (
            fetcher.put(f"https://{trusted}/bucket/key?sig=1", tmp_path / "clip", headers={"Content-Type": "video/mp4"}) == 200
        )
        assert Site.seen[0][0] == f"PUT {len(DATA)}"
        assert Site.seen[0][1]["Content-Type"] == "video/mp4"

    @pytest.mark.parametrize(
        ("path", "error"),
        [("/refused", MediaRejected), ("/moved", MediaRejected), ("/failing", AttemptFailed), ("/patience", RetryLater)],
    )
    def test_put_that_is_not_taken(self, trusted: str, tmp_path: Path, path: str, error: type[Exception]) -> None:
        (tmp_path / "clip").write_bytes(b"x")
        with pytest.raises(error, match="deliver_url answered with status"):
            Fetcher(frozenset([trusted])).put(f"https://{trusted}{path}", tmp_path / "clip")

    def test_put_that_is_refused_before_it_is_sent(self, trusted: str, tmp_path: Path) -> None:
        (tmp_path / "clip").write_bytes(bytes(30 << 20))
        with pytest.raises((MediaRejected, AttemptFailed), match=r"status 403|could not be reached"):
            Fetcher(frozenset([trusted])).put(f"https://{trusted}/early", tmp_path / "clip")

    def test_a_success_that_came_before_the_body_had_left_is_none(self, trusted: str, tmp_path: Path) -> None:
        (tmp_path / "clip").write_bytes(bytes(30 << 20))
        with pytest.raises(AttemptFailed, match=r"before it had everything|could not be reached"):
            Fetcher(frozenset([trusted])).put(f"https://{trusted}/early-success", tmp_path / "clip")

    def test_put_to_inside(self, tmp_path: Path) -> None:
        (tmp_path / "clip").write_bytes(b"x")
        for url, text in (("https://169.254.169.254/x", "public address"), ("http://example.com/x", "https")):
            with pytest.raises(MediaRejected, match=text):
                Fetcher().put(url, tmp_path / "clip")
