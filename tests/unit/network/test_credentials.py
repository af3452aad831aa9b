"""Stored credentials: encrypted with the first key, decrypted with any, and only headers."""

from __future__ import annotations

import io
import json

import pytest
from cryptography.fernet import Fernet

from chalicelib.errors import MediaRejected, SettingsError
from workers.network import credentials
from workers.network.credentials import Keyring

HEADERS = {"Authorization": "Bearer secret"}
OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def test_there_and_back() -> None:
    token = Keyring([NEW]).encrypt(HEADERS)
    assert "secret" not in token
    assert Keyring([NEW]).decrypt(token) == HEADERS


def test_rotation() -> None:
    token = Keyring([OLD]).encrypt(HEADERS)
    assert Keyring([NEW, OLD]).decrypt(token) == HEADERS
    rotated = Keyring([NEW, OLD]).rotate(token)
    assert Keyring([NEW]).decrypt(rotated) == HEADERS
    with pytest.raises(MediaRejected, match="an unknown key"):
        Keyring([NEW]).decrypt(token)


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "X: y\r\nEvil", "", "Range"])
def test_headers_that_are_not_theirs_to_set(name: str) -> None:
    with pytest.raises(ValueError, match="not a header that may be stored"):
        Keyring([NEW]).encrypt({name: "x"})
    forged = Fernet(NEW).encrypt(json.dumps({name: "x"}).encode()).decode()
    with pytest.raises(MediaRejected, match="are not headers"):
        Keyring([NEW]).decrypt(forged)


def test_text_that_would_break_a_line() -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        Keyring([NEW]).encrypt({"Authorization": "x\r\nHost: inside"})


def test_without_a_key() -> None:
    with pytest.raises(SettingsError, match="CREDENTIALS_KEYS is not set"):
        Keyring([]).encrypt(HEADERS)
    with pytest.raises(MediaRejected, match="no key"):
        Keyring([]).decrypt("x")
    with pytest.raises(SettingsError, match="must be Fernet keys"):
        Keyring(["short"])


def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert credentials.main(["key"]) == 0
    key = capsys.readouterr().out.strip()
    monkeypatch.setenv("CREDENTIALS_KEYS", key)
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(HEADERS)))
    assert credentials.main(["encrypt"]) == 0
    token = capsys.readouterr().out.strip()
    assert Keyring([key]).decrypt(token) == HEADERS
    monkeypatch.setenv("CREDENTIALS_KEYS", f"{NEW},{key}")
    monkeypatch.setattr("sys.stdin", io.StringIO(token))
    assert credentials.main(["rotate"]) == 0
    assert Keyring([NEW]).decrypt(capsys.readouterr().out.strip()) == HEADERS


@pytest.mark.parametrize(("action", "given"), [("encrypt", "[1]"), ("encrypt", '{"Host": "x"}'), ("rotate", "nonsense")])
def test_the_command_says_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], action: str, given: str
) -> None:
    monkeypatch.setenv("CREDENTIALS_KEYS", NEW)
    monkeypatch.setattr("sys.stdin", io.StringIO(given))
    assert credentials.main([action]) == 2
    assert capsys.readouterr().err.startswith("mediaq credentials: ")
