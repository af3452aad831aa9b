"""Brings inputs to disk. Every address that a caller gave goes through `Fetcher`, and only through it.

The name is resolved once, every address it has must be public, and the connection is made to the address that was looked at:
there is no second resolution for an attacker to answer differently. Redirects are followed by hand, under the same rules.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import urllib3

from chalicelib.errors import AttemptFailed, MediaRejected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from urllib3 import BaseHTTPResponse

PORTS = {"http": 80, "https": 443}
REDIRECTS_MAX = 3
TIMEOUT = urllib3.Timeout(connect=5, read=30)
PIECE = 1 << 20
MOVED = (301, 302, 303, 307, 308)
PASSING = (408, 425, 429)
"""Answers of 4xx that another attempt may not get."""

NAT64 = 0x0064FF9B
"""The first 32 bits of 64:ff9b::/96 and of the local-use 64:ff9b:1::/48 (RFC 6052, RFC 8215)."""
ISATAP = 0x00005EFE
"""The third 32 bits of an ISATAP address, its universal bit apart (RFC 5214)."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Fetcher:
    """Downloads from the public internet. `allow` names further `host:port` pairs that the operator trusts."""

    def __init__(self, allow: frozenset[str] = frozenset()) -> None:
        self._allow = allow

    def download(self, url: str, target: Path, arrived: Callable[[int, int | None], None]) -> None:
        """Stream `url` into `target`; `arrived` is told the bytes so far and in all, and may stop it by raising.

        Raises:
            MediaRejected: the address is not allowed, or says that there is no such file.
            AttemptFailed: the server is away or broke off.
        """
        for _ in range(REDIRECTS_MAX + 1):
            answer = self._get(url)
            try:
                if answer.status not in MOVED:
                    _save(answer, target, arrived)
                    return
                there = urljoin(url, answer.headers.get("Location", ""))
            finally:
                answer.close()
            if urlsplit(url).scheme == "https" and urlsplit(there).scheme != "https":
                raise MediaRejected("input_url redirects from https to another scheme")
            url = there
        raise MediaRejected(f"input_url redirects more than {REDIRECTS_MAX} times")

    def _get(self, url: str) -> BaseHTTPResponse:
        scheme, host, port, path = _split(url)
        trusted = f"{host}:{port}" in self._allow
        if port != PORTS[scheme] and not trusted:
            raise MediaRejected(f"input_url must use port {PORTS[scheme]}")
        address = _resolve(host, port, trusted=trusted)
        pool: Any
        if scheme == "https":
            pool = urllib3.HTTPSConnectionPool(address, port, server_hostname=host, assert_hostname=host, timeout=TIMEOUT)
        else:
            pool = urllib3.HTTPConnectionPool(address, port, timeout=TIMEOUT)
        netloc = f"[{host}]" if ":" in host else host
        headers = {
            "Host": netloc if port == PORTS[scheme] else f"{netloc}:{port}",
            "Accept-Encoding": "identity",
            "User-Agent": "mediaq",
        }
        try:
            answer: BaseHTTPResponse = pool.request(
                "GET", path, headers=headers, redirect=False, retries=False, preload_content=False, decode_content=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise AttemptFailed("input_url could not be reached") from error
        return answer


def write(target: Path, expected: int | None, pieces: Iterator[bytes], arrived: Callable[[int, int | None], None]) -> None:
    """Write `pieces` to `target`, telling `arrived` the bytes so far and in all."""
    got = 0
    with target.open("xb") as file:
        for piece in pieces:
            file.write(piece)
            got += len(piece)
            arrived(got, expected)


def is_public(address: Address) -> bool:
    """Say whether an address is on the public internet, whatever IPv4 address it may wrap included."""
    if isinstance(address, ipaddress.IPv6Address) and (address.is_site_local or _wrapped(address) is not None):
        return False  # mapped, compatible, 6to4, Teredo, NAT64, ISATAP: no honest server is reached that way
    return address.is_global and not address.is_multicast


def _wrapped(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address.ipv4_mapped or address.sixtofour or address.teredo:
        return address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
    number = int(address)
    low = ipaddress.IPv4Address(number & 0xFFFFFFFF)
    compatible = number >> 32 == 0
    nat64 = number >> 96 == NAT64
    isatap = (number >> 32) & 0xFDFFFFFF == ISATAP
    return low if compatible or nat64 or isatap else None


def _split(url: str) -> tuple[str, str, int, str]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise MediaRejected("input_url is not a usable URL") from error
    if parts.scheme not in PORTS or not host or "@" in parts.netloc or not url.isascii() or "\\" in url:
        raise MediaRejected("input_url must be an http or https URL")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme, host, port or PORTS[parts.scheme], path


def _resolve(host: str, port: int, *, trusted: bool) -> str:
    """Return an address of `host`, after a look at all of them."""
    try:
        found = [info[4][0] for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        raise AttemptFailed("The host of input_url could not be found") from error
    addresses = [ipaddress.ip_address(str(one).split("%")[0]) for one in found]
    if not trusted and not all(is_public(one) for one in addresses):
        raise MediaRejected("input_url must lead to a public address")
    return str(addresses[0])


def _save(answer: BaseHTTPResponse, target: Path, arrived: Callable[[int, int | None], None]) -> None:
    if answer.status != 200:  # noqa: PLR2004 - OK
        text = f"input_url answered with status {answer.status}"
        lasting = 400 <= answer.status < 500 and answer.status not in PASSING  # noqa: PLR2004 - the 4xx
        raise MediaRejected(text) if lasting else AttemptFailed(text)
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise MediaRejected("input_url answered with a Content-Encoding that was not asked for")
    length = answer.headers.get("Content-Length", "")
    try:
        write(target, int(length) if length.isdigit() else None, answer.stream(PIECE, decode_content=False), arrived)
    except urllib3.exceptions.HTTPError as error:
        raise AttemptFailed("input_url broke the download off") from error
