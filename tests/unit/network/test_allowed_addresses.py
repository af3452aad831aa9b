"""Public addresses, and texts that are no addresses."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from chalicelib.domain.validation import is_web_address
from chalicelib.errors import MediaRejected
from workers.network.allowed_addresses import is_public
from workers.network.fetch import Fetcher

PRIVATE = [
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254",
    "169.254.170.2", "192.0.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1",
    "2002:7f00:1::", "2002:808:808::", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "::ffff:0:127.0.0.1", "192.0.0.192", "192.0.0.8", "168.63.129.16", "192.88.99.1", "3fff::1", "5f00::1", "100::1",
    "2a01:4f8::5efe:7f00:1", "2a01:4f8::200:5efe:808:808", "2001:db8::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_not_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "2a01:4f8::1"])
def test_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "http://public.example@127.0.0.1/",
        "http://user:pw@public.example/",
        "http://public.example\\@127.0.0.1/",
        "http://127\u30020\u30020\u30021/",
        "http://public.example\t/",
        "http://public.example/\r\nHost: inside",
        "http:///etc/passwd",
        "http://public.example:0/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "ftp://public.example/clip.mp4",
        "data:video/mp4;base64,AAAA",
        "concat:/etc/passwd|/etc/hosts",
        "subfile,,start,0,end,9,,:/etc/passwd",
        "pipe:0",
        "",
    ],
)
def test_what_is_no_address_to_fetch(tmp_path: Path, url: str) -> None:
    """Refused by its form, before a name is looked up or a process is started; the API refuses it too."""
    assert not is_web_address(url)
    with pytest.raises(MediaRejected, match="http or https URL"):
        Fetcher().download(url, tmp_path / "file")


def test_what_follows_a_hash_is_no_host(tmp_path: Path) -> None:
    with pytest.raises(MediaRejected, match="public address"):
        Fetcher().download("http://127.0.0.1#@public.example/", tmp_path / "file")
