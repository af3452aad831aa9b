"""Credentials that users store for their jobs: kinds, secrets, requests and responses.

A secret is bound to its hosts: they are sealed together (`Payload`), so nobody who can write the row can send it elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec

from chalicelib.domain.params.common import meta
from chalicelib.domain.schemas import Answer, Time
from chalicelib.domain.validation import is_web_address, validate
from chalicelib.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

PER_USER = 50
SEALED_MAX_BYTES = 4096
"""The size of what is sealed: KMS encrypts no more. Secret, hosts and ids share it."""
HOSTS_MAX = 10
HOST = re.compile(r"(?!-)[a-z0-9.-]{1,253}(?::[0-9]{1,5})?")
HEADER_NAME = "the name of a header, not one of the request itself such as Host"
RESERVED = {
    "host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect", "range", "if-range",
    "accept-encoding", "proxy-authorization", "keep-alive",
}  # fmt: skip
"""Headers that belong to the request itself. They are rejected, as they could change its meaning."""

Kind = Literal["bearer", "basic", "header", "query", "aws_s3", "oauth2_client"]
PRINTABLE = r"^[\x20-\x7e]+$(?!\n)"
Text = Annotated[str, meta("printable ASCII of 1 to 4000 characters", min_length=1, max_length=4000, pattern=PRINTABLE)]


class Bearer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token: `Authorization: Bearer <token>`."""

    token: Text


class Basic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user name and a password (RFC 7617)."""

    username: Text
    password: Text


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One HTTP header."""

    name: Annotated[str, meta(HEADER_NAME, pattern=r"^[A-Za-z0-9-]{1,64}$(?!\n)")]
    value: Text

    def __post_init__(self) -> None:
        """Check what a pattern cannot."""
        if self.name.lower() in RESERVED:
            raise ValueError(f"\0name must be {HEADER_NAME}")


class Query(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One parameter of the URL."""

    name: Annotated[str, meta("the name of a parameter of a URL", pattern=r"^[A-Za-z0-9_.~-]{1,64}$(?!\n)")]
    value: Text


class AwsS3(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An access key of AWS; requests are signed (Signature Version 4)."""

    access_key_id: Text
    secret_access_key: Text
    region: Annotated[str, meta("a region such as eu-central-1", pattern=r"^[a-z0-9-]{2,32}$(?!\n)")]
    session_token: Text | None = None


class OAuth2Client(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A client of OAuth 2.0 (client credentials grant): the worker fetches a token for each job."""

    token_url: Annotated[str, meta("an https URL", max_length=2048)]
    client_id: Text
    client_secret: Text
    scope: Text | None = None


SECRETS: dict[str, type[msgspec.Struct]] = {
    "bearer": Bearer,
    "basic": Basic,
    "header": Header,
    "query": Query,
    "aws_s3": AwsS3,
    "oauth2_client": OAuth2Client,
}
"""Kind -> the form of its secret."""

_Name = Annotated[str, meta("a name of 1 to 64 characters", min_length=1, max_length=64)]
_Hosts = Annotated[
    list[str], meta(f"a list of 1 to {HOSTS_MAX} host names such as cdn.example.com", min_length=1, max_length=HOSTS_MAX)
]
_Secret = Annotated[dict[str, Any], meta("an object, as its kind says")]


class NewCredential(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /credentials`."""

    name: _Name
    kind: Annotated[Kind, meta(f"one of {', '.join(SECRETS)}")]
    hosts: _Hosts
    secret: _Secret


class CredentialChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `PATCH /credentials/{id}`. New hosts need the secret again, which is sealed with them."""

    name: _Name | None = None
    hosts: _Hosts | None = None
    secret: _Secret | None = None


class TrialRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /credentials/{id}/test`."""

    url: Annotated[str, meta("an https URL at one of the hosts of the credential", max_length=2048)]


class DeleteQuery(msgspec.Struct, frozen=True):
    """The query of `DELETE /credentials/{id}`."""

    force: Annotated[bool, meta("true or false: whether to delete it although an open job names it")] = False


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """What is sealed: the secret, and what it is bound to."""

    id: str
    owner: str
    kind: str
    hosts: tuple[str, ...] | None
    """None: headers that were stored without mediaq, bound to no host."""
    secret: dict[str, Any]

    def __repr__(self) -> str:
        """Leave out the secret."""
        return f"Payload({self.id})"


class CredentialView(msgspec.Struct):
    """A credential, without its secret."""

    id: str
    name: str
    kind: str
    hosts: list[str]
    fingerprint: Annotated[str, msgspec.Meta(description="the same for the same secret in this deployment")]
    created_at: Time | None
    last_used_at: Time | None
    last_status: Annotated[str | None, msgspec.Meta(description="what came of the last use, such as 200")]
    user: str | None


class CredentialAnswer(Answer):
    """One credential."""

    credential: CredentialView


class CredentialsAnswer(Answer):
    """Credentials, the oldest first."""

    credentials: list[CredentialView]


class DeletedCredential(Answer):
    """The credential is deleted."""

    id: str
    status: Literal["deleted"] = "deleted"


class TrialAnswer(Answer):
    """The outcome of a test. `pending`: no worker has answered yet; `last_status` of the credential will have it."""

    state: Literal["answered", "failed", "pending"]
    status: Annotated[int | None, msgspec.Meta(description="the HTTP status; null without an answer")]
    error: str


def check_hosts(hosts: Sequence[str]) -> tuple[str, ...]:
    """Return hosts in lower case, each once.

    Raises:
        BadRequest: one is not a host name, with a port if it is not 443.
    """
    found = tuple(dict.fromkeys(host.strip().lower().removesuffix(":443") for host in hosts))
    for host in found:
        if not HOST.fullmatch(host) or not is_web_address(f"https://{host}/"):
            raise BadRequest(f"hosts must be a list of 1 to {HOSTS_MAX} host names such as cdn.example.com, not {host[:60]!r}")
    return found


def check_secret(kind: str, secret: dict[str, Any], hosts: Sequence[str]) -> dict[str, Any]:
    """Return a secret in the form of its kind.

    Raises:
        BadRequest: the message names the field, and never its value.
    """
    checked = validate(secret, SECRETS[kind], "secret")
    token_url = checked.token_url if isinstance(checked, OAuth2Client) else None
    if token_url is not None and (not is_web_address(token_url, ("https",)) or host_of(token_url) not in hosts):
        raise BadRequest("secret.token_url must be an https URL at one of hosts")
    return {name: value for name, value in msgspec.to_builtins(checked).items() if value is not None}


def host_of(url: str) -> str:
    """Return the host of a URL as `hosts` lists it: with its port unless it is 443."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return host if parts.port in (None, 443) else f"{host}:{parts.port}"


def fingerprint(key: str, kind: str, secret: dict[str, Any]) -> str:
    """Return 12 hexadecimal digits that tell secrets apart. Without the key of the deployment, they say nothing."""
    text = kind.encode() + msgspec.json.encode(dict(sorted(secret.items())))
    return hmac.new(f"credentials {key}".encode(), text, hashlib.sha256).hexdigest()[:12]
