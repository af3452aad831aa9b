"""Credentials of platform connections: encrypted at rest, decrypted only here, never logged.

    python -m workers.network.credentials key                      generate a key for CREDENTIALS_KEYS
    python -m workers.network.credentials encrypt < headers.json   encrypt {"Authorization": "Bearer ..."}
    python -m workers.network.credentials rotate < token           encrypt again with the first key

Store the output of `encrypt` in the column `credentials` of `platform_connections`.
"""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from chalicelib.errors import MediaRejected, SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")
TEXT = re.compile(r"[\x20-\x7e]{0,4096}")
HEADERS_MAX = 16
OURS = {
    "host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect", "range", "if-range",
    "accept-encoding", "proxy-authorization", "keep-alive",
}  # fmt: skip
"""Headers that belong to the request itself. Stored ones are rejected, as they could change its meaning."""


class Keyring:
    """Decrypts with any of its keys, encrypts with the first. To rotate, put a new key in front and keep the old one."""

    def __init__(self, keys: Sequence[str]) -> None:
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys]) if keys else None
        except ValueError as error:
            raise SettingsError(
                "CREDENTIALS_KEYS must be Fernet keys: `python -m workers.network.credentials key` makes one"
            ) from error

    def encrypt(self, headers: dict[str, str]) -> str:
        """Return headers as an encrypted token.

        Raises:
            ValueError: a header is not allowed; the message names it.
        """
        return self._keys().encrypt(msgspec.json.encode(_checked(headers))).decode()

    def rotate(self, token: str) -> str:
        """Return a token, encrypted again with the first key."""
        return self._keys().rotate(token.encode()).decode()

    def decrypt(self, token: str) -> dict[str, str]:
        """Return the headers in a token.

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


def _checked(headers: dict[str, str]) -> dict[str, str]:
    if len(headers) > HEADERS_MAX:
        raise ValueError(f"at most {HEADERS_MAX} headers are stored")
    for name, text in headers.items():
        if not HEADER.fullmatch(name) or name.lower() in OURS:
            raise ValueError(f"{name[:64]!r} is not a header that may be stored")
        if not TEXT.fullmatch(text):
            raise ValueError(f"the text of {name} must be printable ASCII of at most 4096 characters")
    return headers


def main(argv: list[str] | None = None) -> int:
    """Generate a key, encrypt, or rotate. Exit code 2: wrong keys or input."""
    from chalicelib import settings  # noqa: PLC0415 - `key` needs none

    parser = argparse.ArgumentParser(
        prog="python -m workers.network.credentials", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=("key", "encrypt", "rotate"))
    action = parser.parse_args(argv).action
    try:
        if action == "key":
            said = Fernet.generate_key().decode()
        else:
            keyring = Keyring(settings.credentials_keys())
            text = sys.stdin.read().strip()
            headers = msgspec.json.decode(text, type=dict[str, str]) if action == "encrypt" else {}
            said = keyring.encrypt(headers) if action == "encrypt" else keyring.rotate(text)
    except InvalidToken:
        return _failed("the token was not made with any of the keys")
    except (SettingsError, ValueError) as error:  # msgspec errors are ValueErrors
        return _failed(str(error))
    sys.stdout.write(said + "\n")
    return 0


def _failed(reason: str) -> int:
    sys.stderr.write(f"mediaq credentials: {reason}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
