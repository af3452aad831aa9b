"""Seals secrets so that only workers can open them: to a public key, or with a KMS key that the API may only encrypt with."""

from __future__ import annotations

import base64
from typing import Any

from chalicelib.errors import NotFound, SealingUnavailable, SettingsError

BOX, KMS = "mediaq.box.1:", "mediaq.kms.1:"
"""The prefixes of sealed texts."""
KEY_BYTES = 32
QUICKLY: dict[str, Any] = {"connect_timeout": 2, "read_timeout": 5, "retries": {"total_max_attempts": 2}}
"""The caller of the API waits."""


class Sealer:
    """Seals payloads. There is no way to open one here."""

    def __init__(self, public_key: str, kms_key: str) -> None:
        self._kms_key = kms_key
        self._public_key = b""
        if public_key:
            try:
                self._public_key = base64.b64decode(public_key, validate=True)
            except ValueError:
                self._public_key = b""
            if len(self._public_key) != KEY_BYTES:
                made = "`python -m workers.network.credentials keypair` makes one"
                raise SettingsError(f"CREDENTIALS_PUBLIC_KEY must be 32 bytes in base64: {made}")

    def seal(self, data: bytes, credential_id: str) -> str:
        """Seal the payload of a credential and return it as text.

        Raises:
            NotFound: this deployment has no key to seal with.
            SealingUnavailable: KMS does not answer.
        """
        if self._kms_key:
            return KMS + base64.b64encode(self._encrypt(data, credential_id)).decode()
        if self._public_key:
            from nacl.public import PublicKey, SealedBox  # noqa: PLC0415 - only this route pays for it

            return BOX + base64.b64encode(SealedBox(PublicKey(self._public_key)).encrypt(data)).decode()
        raise NotFound("This deployment stores no credentials: it has neither CREDENTIALS_PUBLIC_KEY nor CREDENTIALS_KMS_KEY")

    def _encrypt(self, data: bytes, credential_id: str) -> bytes:
        import boto3  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        context = {"credential": credential_id}  # a ciphertext cannot be moved to another row
        try:
            answer = boto3.client("kms", config=Config(**QUICKLY)).encrypt(
                KeyId=self._kms_key, Plaintext=data, EncryptionContext=context
            )
        except (BotoCoreError, ClientError) as error:
            raise SealingUnavailable from error
        return bytes(answer["CiphertextBlob"])
