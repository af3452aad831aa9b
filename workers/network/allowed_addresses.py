"""Allows connections to public addresses only, without a second name resolution.

A name is resolved once, every address must be public, and the connection goes to a checked address. So an attacker's DNS server
cannot answer differently the second time.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import NamedTuple
from urllib.parse import urlsplit

from chalicelib.domain.validation import encoded_address, is_web_address
from chalicelib.errors import AttemptFailed, MediaRejected

PORTS = {"http": 80, "https": 443}
UNICAST = ipaddress.IPv6Network("2000::/3")
"""The part of IPv6 that IANA has allocated to unicast; everything else is special."""
REFUSED = [
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24", "192.88.99.0/24",  # protocol assignments, among them a cloud's metadata service; 6to4 relays
        "168.63.129.16/32",  # a cloud's host address
        "2001::/23", "2002::/16", "3fff::/20",  # protocol assignments with Teredo, 6to4, documentation
    )
]  # fmt: skip
"""Not public, or a tunnel to private addresses, whatever the Python version says."""
ISATAP = 0x00005EFE
"""The third 32 bits of an ISATAP address without its universal bit (RFC 5214)."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Endpoint(NamedTuple):
    """A parsed URL."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """The origin that credentials are bound to (RFC 6454)."""
        return self.scheme, self.host, self.port

    @property
    def host_header(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def split(url: str, label: str) -> Endpoint:
    """Parse a URL; `label` is its name in errors, such as input_url.

    Raises:
        MediaRejected: its form is not allowed.
    """
    if not is_web_address(url):
        raise MediaRejected(f"{label} must be an http or https URL, without a user or a password")
    parts = urlsplit(encoded_address(url))
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Endpoint(parts.scheme, parts.hostname or "", parts.port or PORTS[parts.scheme], path)


def resolve(place: Endpoint, allow: frozenset[str], label: str) -> list[str]:
    """Resolve a host and check all its addresses; `allow` has trusted `host:port` pairs.

    Raises:
        MediaRejected: the port or an address is not allowed.
        AttemptFailed: the name does not resolve.
    """
    trusted = f"{place.host}:{place.port}" in allow
    if place.port != PORTS[place.scheme] and not trusted:
        raise MediaRejected(f"{label} leads to port {place.port}; only port 80 (http) and port 443 (https) are allowed")
    try:
        found = [info[4][0] for info in socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        raise AttemptFailed(f"The host of {label} could not be found") from error
    addresses = [str(one).split("%")[0] for one in found]
    if not trusted and not all(is_public(ipaddress.ip_address(one)) for one in addresses):
        raise MediaRejected(f"{label} must lead to a public address")
    return addresses


def is_public(address: Address) -> bool:
    """Return whether an address is on the public internet, including any IPv4 address embedded in it."""
    if isinstance(address, ipaddress.IPv6Address) and (address not in UNICAST or (int(address) >> 32) & 0xFDFFFFFF == ISATAP):
        return False  # mapped, compatible, translated, NAT64, site-local, ISATAP: real servers do not use them
    if any(address in network for network in REFUSED if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast
