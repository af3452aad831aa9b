"""Credentials of users: opened only here, in a worker, and never logged.

    python -m workers.network.credentials keypair                  make CREDENTIALS_PUBLIC_KEY and CREDENTIALS_PRIVATE_KEYS
    python -m workers.network.credentials rotate                   seal every stored credential with the current key
    python -m workers.network.credentials key                      make a Fernet key for CREDENTIALS_KEYS
    python -m workers.network.credentials encrypt < headers.json   encrypt {"Authorization": "Bearer ..."} with it

`POST /api/credentials` stores a secret that is sealed to the public key, or with KMS. What `encrypt` makes is for the column
`credentials` of a `platform_connections` record that your own app writes: headers, bound to no host.
"""

from __future__ import annotations

import argparse
import base64
import sys
from typing import TYPE_CHECKING

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from chalicelib.access.sealing import BOX, KMS
from chalicelib.domain.credentials import RESERVED, Payload
from chalicelib.errors import AttemptFailed, MediaRejected, SettingsError, Unavailable
from workers.network.authorization import Authorization

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nacl.public import PrivateKey

    from chalicelib.directus.records import Connection

HEADERS_MAX = 16
MAX_BYTES = 4096
ALLOWED = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")
LOST_KEY = "The credential was sealed with a key that this worker does not have: store its secret again"


class Keyring:
    """The keys of a worker. Each list has the current key first; the others still open what they sealed."""

    def __init__(self, fernet_keys: Sequence[str], private_keys: Sequence[str] = ()) -> None:
        try:
            self._fernet = MultiFernet([Fernet(key) for key in fernet_keys]) if fernet_keys else None
        except ValueError as error:
            raise SettingsError(
                "CREDENTIALS_KEYS must be Fernet keys: `python -m workers.network.credentials key` makes one"
            ) from error
        self._private = _private_keys(private_keys)

    @property
    def public_key(self) -> str:
        """The public key that fits the current private key; "" without one."""
        return base64.b64encode(bytes(self._private[0].public_key)).decode() if self._private else ""

    def encrypt(self, headers: dict[str, str]) -> str:
        """Return headers as an encrypted token.

        Raises:
            ValueError: a header is not allowed; the message names it.
        """
        return self._keys().encrypt(msgspec.json.encode(_checked(headers))).decode()

    def open(self, connection: Connection) -> Authorization:
        """Open a stored credential.

        Raises:
            MediaRejected: it cannot be opened, has other content, or was sealed for another row or another user.
            AttemptFailed: KMS does not answer.
        """
        text = connection.credentials or ""
        if not text.startswith((BOX, KMS)):
            return Authorization.of_headers(self.decrypt(text)) if text else Authorization.of_headers({})
        payload = self.unseal(text, connection.id)
        if payload.id != connection.id or payload.owner != connection.user_created:
            raise MediaRejected("The credential was sealed for another user or record: store its secret again")
        return Authorization(payload.kind, payload.hosts, payload.secret)

    def unseal(self, text: str, credential_id: str) -> Payload:
        """Open a sealed text."""
        try:
            sealed = base64.b64decode(text.partition(":")[2], validate=True)
            data = self._kms_decrypt(sealed, credential_id) if text.startswith(KMS) else self._open_box(sealed)[0]
            return msgspec.json.decode(data, type=Payload)
        except (ValueError, msgspec.MsgspecError) as error:
            raise MediaRejected(LOST_KEY) from error

    def is_current(self, text: str) -> bool:
        """Return whether a text is sealed with the current key, so that a rotation may leave it. KMS rotates by itself."""
        if text.startswith(KMS):
            return True
        try:
            return text.startswith(BOX) and self._open_box(base64.b64decode(text.partition(":")[2], validate=True))[1] == 0
        except ValueError:
            return False

    def _open_box(self, sealed: bytes) -> tuple[bytes, int]:
        """Return the content, and which of the keys opened it.

        Raises:
            ValueError: none does.
        """
        from nacl.exceptions import CryptoError  # noqa: PLC0415
        from nacl.public import SealedBox  # noqa: PLC0415

        for number, key in enumerate(self._private):
            try:
                return SealedBox(key).decrypt(sealed), number
            except CryptoError:
                continue
        raise ValueError("no key opens it")

    def _kms_decrypt(self, sealed: bytes, credential_id: str) -> bytes:
        import boto3  # noqa: PLC0415 - slow, and needed here only
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        try:
            answer = boto3.client("kms").decrypt(CiphertextBlob=sealed, EncryptionContext={"credential": credential_id})
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in ("InvalidCiphertextException", "IncorrectKeyException", "NotFoundException", "DisabledException"):
                raise ValueError(code) from error
            raise AttemptFailed("The key service refused to open the credential") from error
        except BotoCoreError as error:
            raise AttemptFailed("The key service could not be reached") from error
        return bytes(answer["Plaintext"])

    def decrypt(self, token: str) -> dict[str, str]:
        """Return the headers in an encrypted token.

        Raises:
            MediaRejected: it cannot be decrypted, or has other content.
        """
        try:
            return _checked(msgspec.json.decode(self._keys().decrypt(token.encode()), type=dict[str, str]))
        except InvalidToken as error:
            raise MediaRejected("The credentials of the platform connection were encrypted with an unknown key") from error
        except (msgspec.MsgspecError, ValueError) as error:
            raise MediaRejected("The credentials of the platform connection are not headers") from error
        except SettingsError as error:
            raise MediaRejected("The worker has no key for the credentials of platform connections") from error

    def _keys(self) -> MultiFernet:
        if self._fernet is None:
            raise SettingsError("CREDENTIALS_KEYS is not set: `python -m workers.network.credentials key` makes a key")
        return self._fernet


def _private_keys(texts: Sequence[str]) -> list[PrivateKey]:
    if not texts:
        return []
    from nacl.public import PrivateKey  # noqa: PLC0415 - only with such keys

    try:
        return [PrivateKey(base64.b64decode(text, validate=True)) for text in texts]
    except Exception as error:
        made = "`python -m workers.network.credentials keypair` makes one"
        raise SettingsError(f"CREDENTIALS_PRIVATE_KEYS must be keys of 32 bytes in base64: {made}") from error


def _checked(headers: dict[str, str]) -> dict[str, str]:
    if len(headers) > HEADERS_MAX:
        raise ValueError(f"at most {HEADERS_MAX} headers are stored")
    for name, text in headers.items():
        if not 0 < len(name) <= 64 or not set(name) <= ALLOWED or name.lower() in RESERVED:  # noqa: PLR2004
            raise ValueError(f"{name[:64]!r} is not a header that may be stored")
        if len(text) > MAX_BYTES or not all(" " <= char <= "~" for char in text):
            raise ValueError(f"the text of {name} must be printable ASCII of at most {MAX_BYTES} characters")
    return headers


def make_keypair() -> tuple[str, str]:
    """Return a public and a private key, in base64."""
    from nacl.public import PrivateKey  # noqa: PLC0415

    key = PrivateKey.generate()
    return base64.b64encode(bytes(key.public_key)).decode(), base64.b64encode(bytes(key)).decode()


def main(argv: list[str] | None = None) -> int:
    """Make keys, encrypt, or rotate. Exit code 2: wrong keys or input; 1: not all credentials were rotated."""
    from chalicelib import settings  # noqa: PLC0415 - making keys needs none

    parser = argparse.ArgumentParser(
        prog="python -m workers.network.credentials", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=("keypair", "rotate", "key", "encrypt"))
    action = parser.parse_args(argv).action
    try:
        match action:
            case "key":
                said = Fernet.generate_key().decode()
            case "keypair":
                public, private = make_keypair()
                said = f"CREDENTIALS_PUBLIC_KEY={public}\nCREDENTIALS_PRIVATE_KEYS={private}"
            case "encrypt":
                headers = msgspec.json.decode(sys.stdin.read().strip(), type=dict[str, str])
                said = Keyring(settings.credentials_keys()).encrypt(headers)
            case _:
                from workers.network.rotation import rotate_all  # noqa: PLC0415

                return rotate_all(settings.current())
    except (SettingsError, ValueError) as error:  # msgspec errors are ValueErrors
        sys.stderr.write(f"mediaq credentials: {error}\n")
        return 2
    except (Unavailable, AttemptFailed) as error:
        sys.stderr.write(f"mediaq credentials: {error}; run it again\n")
        return 1
    sys.stdout.write(said + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
