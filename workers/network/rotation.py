"""Seals every stored credential with the current key. It can be stopped and run again: what is current is left as it is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import msgspec

from chalicelib.access.sealing import BOX, KMS, Sealer
from chalicelib.directus.client import Directus
from chalicelib.domain.credentials import Payload
from chalicelib.errors import JobStopped, SettingsError
from workers.network.credentials import Keyring

if TYPE_CHECKING:
    from chalicelib.directus.records import Connection
    from chalicelib.settings import Settings

PAGE = 100


def rotate_all(settings: Settings) -> int:
    """Rotate all credentials, print the progress, and return the exit code: 1 if some could not be opened.

    Raises:
        SettingsError: there is no key to seal with.
        DirectusUnavailable: Directus is unreachable; run it again.
    """
    if not settings.credentials_public_key and not settings.credentials_kms_key:
        raise SettingsError("CREDENTIALS_PUBLIC_KEY or CREDENTIALS_KMS_KEY must be set: the key to seal with")
    keyring = Keyring(settings.credentials_keys, settings.credentials_private_keys)
    if not settings.credentials_kms_key and keyring.public_key != settings.credentials_public_key:
        raise SettingsError(
            "The first of CREDENTIALS_PRIVATE_KEYS must fit CREDENTIALS_PUBLIC_KEY: no worker could open the rest"
        )
    sealer = Sealer(settings.credentials_public_key, settings.credentials_kms_key)
    directus = Directus(settings.directus_url, settings.directus_token, settings.directus_timeout)
    totals = dict.fromkeys(("rotated", "current", "failed"), 0)
    while True:  # a row that is deleted meanwhile shifts the pages: until a pass finds nothing to do
        counts = _pass(keyring, sealer, directus)
        totals = {**counts, "rotated": totals["rotated"] + counts["rotated"]}
        if not counts["rotated"]:
            break
    totals["current"] -= totals["rotated"]
    sys.stdout.write(", ".join(f"{number} {word}" for word, number in totals.items()) + "\n")
    return int(totals["failed"] > 0)


def _pass(keyring: Keyring, sealer: Sealer, directus: Directus) -> dict[str, int]:
    counts = dict.fromkeys(("rotated", "current", "failed"), 0)
    while page := directus.find_connections(None, PAGE, sum(counts.values())):
        for connection in page:
            counts[_rotate(connection, keyring, sealer, directus)] += 1
        sys.stderr.write(f"{sum(counts.values())} credentials: {counts}\n")
    return counts


def _rotate(connection: Connection, keyring: Keyring, sealer: Sealer, directus: Directus) -> str:
    text = connection.credentials or ""
    if not text or keyring.is_current(text):
        return "current"
    try:
        payload = keyring.unseal(text, connection.id) if text.startswith((BOX, KMS)) else _of_headers(connection, keyring)
    except JobStopped as error:
        sys.stderr.write(f"{connection.id}: {error}\n")
        return "failed"
    sealed = sealer.seal(msgspec.json.encode(payload), payload.id)
    directus.replace_sealed(connection.id, text, sealed)  # unless its owner replaced it meanwhile, with the current key
    return "rotated"


def _of_headers(connection: Connection, keyring: Keyring) -> Payload:
    """Return headers of a Fernet token as a payload. They stay bound to no host, as they were."""
    headers = keyring.decrypt(connection.credentials or "")
    owner = connection.user_created or ""
    return Payload(id=connection.id, owner=owner, kind="headers", hosts=None, secret=dict(headers))
