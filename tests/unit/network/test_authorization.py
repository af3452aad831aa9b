"""Credentials at work: what each kind sends, and that nothing goes to another host, over http, or after a redirect."""

from __future__ import annotations

import base64
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.errors import AttemptFailed, MediaRejected
from tests.unit.network.site import make_certificate
from workers.network import watched_request
from workers.network.allowed_addresses import split
from workers.network.authorization import Authorization
from workers.network.fetch import Fetcher

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "s3cret-of-the-test"


class Server(ThreadingHTTPServer):
    """An https site that notes what it is sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.elsewhere = ""
        self.token = b'{"access_token": "granted-token", "token_type": "bearer"}'
        self.status = 200


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server

    def do_GET(self) -> None:
        self.server.seen.append((self.command, self.path, dict(self.headers)))
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", self.server.elsewhere)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._answer(b"data")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.seen.append((self.command, f"{self.path} {body}", dict(self.headers)))
        self._answer(self.server.token, self.server.status)

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.command, self.path, dict(self.headers)))
        self._answer(b"")

    def _answer(self, body: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def start(certificate: tuple[Path, Path]) -> Server:
    server = Server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


@pytest.fixture
def servers(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Server, Server]]:
    """Two https sites, their certificate trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    watched_request._tls.cache_clear()
    both = start(certificate), start(certificate)
    yield both
    for server in both:
        server.shutdown()
        server.server_close()
    watched_request._tls.cache_clear()


def host(server: Server) -> str:
    return f"localhost:{server.server_port}"


def fetcher(*servers: Server) -> Fetcher:
    return Fetcher(frozenset(host(server) for server in servers))


def authorization(kind: str, server: Server, **secret: str) -> Authorization:
    return Authorization(kind, (host(server),), secret)


KINDS: list[tuple[str, dict[str, str], str, str]] = [
    ("bearer", {"token": SECRET}, "Authorization", f"Bearer {SECRET}"),
    ("basic", {"username": "ada", "password": SECRET}, "Authorization", "Basic " + base64.b64encode(f"ada:{SECRET}".encode()).decode()),
    ("header", {"name": "X-Api-Key", "value": SECRET}, "X-Api-Key", SECRET),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "secret", "name", "value"), KINDS, ids=[row[0] for row in KINDS])
def test_kinds_that_are_headers(
    servers: tuple[Server, Server], tmp_path: Path, kind: str, secret: dict[str, str], name: str, value: str
) -> None:
    there, _ = servers
    own = authorization(kind, there, **secret)
    fetcher(there).download(f"https://{host(there)}/a", tmp_path / "a", authorization=own)
    assert there.seen[-1][2][name] == value
    (tmp_path / "b").write_bytes(b"x")
    fetcher(there).put(f"https://{host(there)}/b", tmp_path / "b", authorization=own)
    assert (there.seen[-1][0], there.seen[-1][2][name]) == ("PUT", value)
    assert fetcher(there).probe(f"https://{host(there)}/a", own, seconds=5, label="url") == 200


@pytest.mark.parametrize(("path", "asked"), [("/a", "/a?key=a%26b"), ("/a?x=1", "/a?x=1&key=a%26b")])
def test_a_parameter_is_added_to_the_url_and_to_no_name(
    servers: tuple[Server, Server], tmp_path: Path, path: str, asked: str
) -> None:
    there, _ = servers
    own = authorization("query", there, name="key", value="a&b")
    fetched = fetcher(there).download(f"https://{host(there)}{path}", tmp_path / "a", authorization=own)
    assert there.seen[-1][1] == asked
    assert fetched.name == "a"


def test_s3_requests_are_signed_as_aws_checks_them(servers: tuple[Server, Server], tmp_path: Path) -> None:
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    there, _ = servers
    keys = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": SECRET, "region": "eu-central-1", "session_token": "session"}
    fetcher(there).download(
        f"https://{host(there)}/b/a%20(b)+c.mp4", tmp_path / "a", authorization=authorization("aws_s3", there, **keys)
    )
    _, path, headers = there.seen[-1]
    assert path == "/b/a%20%28b%29%2Bc.mp4"  # as S3 compares it
    assert headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert headers["X-Amz-Content-SHA256"] == "UNSIGNED-PAYLOAD"
    again = AWSRequest(method="GET", url=f"https://{host(there)}{path}")
    again.context["timestamp"] = headers["X-Amz-Date"]
    again.headers["X-Amz-Date"] = headers["X-Amz-Date"]
    signer = S3SigV4Auth(Credentials("AKIDEXAMPLE", SECRET, "session"), "s3", "eu-central-1")
    again.headers["X-Amz-Security-Token"] = "session"
    again.headers["X-Amz-Content-SHA256"] = "UNSIGNED-PAYLOAD"
    wanted = signer.signature(signer.string_to_sign(again, signer.canonical_request(again)), again)
    assert headers["Authorization"].endswith(f"Signature={wanted}")
    assert SECRET not in str(there.seen)


def test_an_oauth_client_gets_a_token_for_its_job(servers: tuple[Server, Server], tmp_path: Path) -> None:
    there, _ = servers
    url = f"https://{host(there)}/token"
    own = authorization("oauth2_client", there, token_url=url, client_id="me:", client_secret=SECRET, scope="read")
    for name in ("a", "b"):
        fetcher(there).download(f"https://{host(there)}/{name}", tmp_path / name, authorization=own)
    asked = [(method, path.split()[0], headers["Authorization"]) for method, path, headers in there.seen]
    basic = "Basic " + base64.b64encode(f"me%3A:{SECRET}".encode()).decode()
    assert asked == [("POST", "/token", basic), ("GET", "/a", "Bearer granted-token"), ("GET", "/b", "Bearer granted-token")]
    assert "grant_type=client_credentials&scope=read" in there.seen[0][1]


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, b"{}", MediaRejected),
        (503, b"{}", AttemptFailed),
        (200, b"<html>", MediaRejected),
        (200, b'{"access_token": "\xff"}', MediaRejected),
        (200, b"[" * 60_000, MediaRejected),
        (200, b'{"access_token": "a\\r\\nb"}', MediaRejected),
        (200, b'{"access_token": ""}', MediaRejected),
    ],
)
def test_a_token_server_that_refuses(
    servers: tuple[Server, Server], tmp_path: Path, status: int, body: bytes, error: type[Exception]
) -> None:
    there, _ = servers
    there.status, there.token = status, body
    url = f"https://{host(there)}/token"
    own = authorization("oauth2_client", there, token_url=url, client_id="me", client_secret=SECRET)
    with pytest.raises(error, match=r"secret\.token_url") as refused:
        fetcher(there).download(f"https://{host(there)}/a", tmp_path / "a", authorization=own)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "secret",
    [{"kind": "bearer", "token": SECRET}, {"kind": "query", "name": "key", "value": SECRET}],
    ids=lambda one: one["kind"],
)
def test_nothing_is_sent_to_another_host_after_a_redirect(
    servers: tuple[Server, Server], tmp_path: Path, secret: dict[str, str]
) -> None:
    there, other = servers
    there.elsewhere = f"https://{host(other)}/a"
    kind = secret["kind"]
    values = {name: value for name, value in secret.items() if name != "kind"}
    own = Authorization(kind, (host(there), host(other)), values)  # even if the other host is one of its hosts
    fetcher(there, other).download(f"https://{host(there)}/moved", tmp_path / "a", authorization=own)
    assert SECRET in str(there.seen)
    assert SECRET not in str(other.seen)


@pytest.mark.parametrize(
    "url", ["http://cdn.example/a", "https://evil.example/a", "https://cdn.example:444/a", "https://cdn.example.evil.example/"]
)
def test_a_url_that_the_credential_is_not_bound_to_is_refused_before_anything_is_sent(tmp_path: Path, url: str) -> None:
    own = Authorization("bearer", ("cdn.example",), {"token": SECRET})
    with pytest.raises(
        MediaRejected, match=r"must be an https URL at one of the hosts of the credential: cdn\.example"
    ) as refused:
        Fetcher().download(url, tmp_path / "a", authorization=own)
    assert SECRET not in str(refused.value)
    assert own.apply(split(url, "x"), "GET") == ({}, split(url, "x").path)
    assert own.used is False


def test_it_is_not_printed() -> None:
    own = Authorization("bearer", ("cdn.example",), {"token": SECRET})
    assert SECRET not in f"{own} {own!r}"


def test_a_kind_of_a_later_release_is_refused() -> None:
    with pytest.raises(MediaRejected, match="does not know"):
        Authorization("telepathy", ("cdn.example",), {}).apply(split("https://cdn.example/", "x"), "GET")
