"""Stored credentials: encrypted with the first key, decrypted with any, and only headers."""

from __future__ import annotations

import io
import json

import boto3
import msgspec
import pytest
from cryptography.fernet import Fernet
from moto import mock_aws

from chalicelib.access.sealing import Sealer
from chalicelib.directus.records import Connection
from chalicelib.domain.credentials import Payload
from chalicelib.errors import MediaRejected, NotFound, SealingUnavailable, SettingsError
from workers.network import credentials
from workers.network.allowed_addresses import split
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


@pytest.mark.parametrize(("action", "given"), [("encrypt", "[1]"), ("encrypt", '{"Host": "x"}')])
def test_the_command_says_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], action: str, given: str
) -> None:
    monkeypatch.setenv("CREDENTIALS_KEYS", NEW)
    monkeypatch.setattr("sys.stdin", io.StringIO(given))
    assert credentials.main([action]) == 2
    assert capsys.readouterr().err.startswith("mediaq credentials: ")


PUBLIC, PRIVATE = credentials.make_keypair()
OTHER_PUBLIC, OTHER_PRIVATE = credentials.make_keypair()
OWNER = "0d9d4b1c-5a57-4b56-8f1d-1f3c51f2a001"
PAYLOAD = Payload(id="c1", owner=OWNER, kind="bearer", hosts=("cdn.example",), secret={"token": "s3cret-token"})


def sealed(public: str = PUBLIC, payload: Payload = PAYLOAD) -> str:
    return Sealer(public, "").seal(msgspec.json.encode(payload), payload.id)


def row(text: str, **changes: str) -> Connection:
    return Connection(**{"id": "c1", "user_created": OWNER, "credentials": text, **changes})


def test_what_is_sealed_is_opened_by_the_private_key_alone() -> None:
    text = sealed()
    assert "s3cret" not in text
    assert text != sealed()
    headers, path = Keyring([], [PRIVATE]).open(row(text)).apply(split("https://cdn.example/a", "x"), "GET")
    assert (headers, path) == ({"Authorization": "Bearer s3cret-token"}, "/a")
    for keys in ([], [OTHER_PRIVATE]):
        with pytest.raises(MediaRejected, match="sealed with a key that this worker does not have: store its secret again"):
            Keyring([], keys).open(row(text))
    assert Keyring([], [OTHER_PRIVATE, PRIVATE]).open(row(text))


def test_a_sealer_has_nothing_that_opens() -> None:
    """The API's half: only the public key is in it."""
    assert PRIVATE not in repr(vars(Sealer(PUBLIC, "")))
    assert not [name for name in dir(Sealer) if "open" in name or "decrypt" in name]


@pytest.mark.parametrize("changes", [{"user_created": "somebody-else"}, {"id": "c2"}], ids=str)
def test_a_sealed_text_in_another_row_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(MediaRejected, match="sealed for another user or record"):
        Keyring([], [PRIVATE]).open(row(sealed(), **changes))


@pytest.mark.parametrize("text", ["mediaq.box.1:", "mediaq.box.1:!!", "mediaq.box.1:AAAA", "gAAAA", "nonsense"])
def test_a_text_that_is_damaged_is_refused(text: str) -> None:
    with pytest.raises(MediaRejected):
        Keyring([NEW], [PRIVATE]).open(row(text))


@pytest.mark.parametrize(("public", "says"), [("short", "32 bytes"), ("AAAA", "32 bytes")])
def test_wrong_keys_are_said_at_start(public: str, says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        Sealer(public, "")
    with pytest.raises(SettingsError, match=says):
        Keyring([], [public])


def test_without_a_key_nothing_is_stored() -> None:
    with pytest.raises(NotFound, match="CREDENTIALS_PUBLIC_KEY"):
        Sealer("", "").seal(b"{}", "c1")


def test_with_kms(monkeypatch: pytest.MonkeyPatch) -> None:
    """On AWS: the ciphertext is bound to its row, and a key that is gone says what to do."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("kms", region_name="us-east-1")
        key = client.create_key()["KeyMetadata"]["KeyId"]
        text = Sealer("", key).seal(msgspec.json.encode(PAYLOAD), "c1")
        assert text.startswith("mediaq.kms.1:")
        assert Keyring([]).open(row(text)).apply(split("https://cdn.example/", "x"), "GET")[0]
        with pytest.raises(MediaRejected, match="store its secret again"):
            Keyring([]).open(row(text, id="c2"))
        with pytest.raises(SealingUnavailable):
            Sealer("", "no-such-key").seal(b"{}", "c1")


def test_the_command_makes_a_pair_that_fits(capsys: pytest.CaptureFixture[str]) -> None:
    assert credentials.main(["keypair"]) == 0
    public, private = (line.partition("=")[2] for line in capsys.readouterr().out.split())
    assert Keyring([], [private]).open(row(sealed(public)))
