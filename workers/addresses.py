"""Which addresses a caller may make us connect to: public ones, looked at once.

The name is resolved once, every address it has must be public, and the connection is made to an address that was looked at:
there is no second resolution for an attacker to answer differently.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import NamedTuple
from urllib.parse import urlsplit

from chalicelib.errors import AttemptFailed, MediaRejected
from chalicelib.validation import is_web_address

PORTS = {"http": 80, "https": 443}
NAT64 = 0x0064FF9B
"""The first 32 bits of 64:ff9b::/96 and of the local-use 64:ff9b:1::/48 (RFC 6052, RFC 8215)."""
ISATAP = 0x00005EFE
"""The third 32 bits of an ISATAP address, its universal bit apart (RFC 5214)."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Place(NamedTuple):
    """Where a URL leads, taken apart."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """What credentials are bound to (RFC 6454)."""
        return self.scheme, self.host, self.port

    @property
    def host_header(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def split(url: str, label: str) -> Place:
    """Take a URL apart; `label` is what a caller knows it as, such as input_url.

    Raises:
        MediaRejected: it is none that may be fetched.
    """
    if not is_web_address(url):
        raise MediaRejected(f"{label} must be an http or https URL, without a user or a password")
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(parts.scheme, parts.hostname or "", parts.port or PORTS[parts.scheme], path)


def resolve(place: Place, allow: frozenset[str], label: str) -> list[str]:
    """Return the addresses of a host, after a look at all of them; `allow` has trusted `host:port` pairs.

    Raises:
        MediaRejected: the port or an address is not allowed.
        AttemptFailed: the name could not be resolved.
    """
    trusted = f"{place.host}:{place.port}" in allow
    if place.port != PORTS[place.scheme] and not trusted:
        raise MediaRejected(f"{label} must use port {PORTS[place.scheme]}")
    try:
        found = [info[4][0] for info in socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        raise AttemptFailed(f"The host of {label} could not be found") from error
    addresses = [str(one).split("%")[0] for one in found]
    if not trusted and not all(is_public(ipaddress.ip_address(one)) for one in addresses):
        raise MediaRejected(f"{label} must lead to a public address")
    return addresses


def is_public(address: Address) -> bool:
    """Say whether an address is on the public internet, whatever IPv4 address it may wrap included."""
    if isinstance(address, ipaddress.IPv6Address) and (address.is_site_local or _wraps(address)):
        return False  # mapped, compatible, 6to4, Teredo, NAT64, ISATAP: no honest server is reached that way
    return address.is_global and not address.is_multicast


def _wraps(address: ipaddress.IPv6Address) -> bool:
    number = int(address)
    compatible = number >> 32 == 0
    nat64 = number >> 96 == NAT64
    isatap = (number >> 32) & 0xFDFFFFFF == ISATAP
    known = address.ipv4_mapped or address.sixtofour or address.teredo
    return bool(known) or compatible or nat64 or isatap
