"""Applies a credential to a request: headers, a parameter, or a signature; only at the hosts that it is bound to."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlencode, urlsplit

import msgspec

from chalicelib.errors import AttemptFailed, MediaRejected

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from workers.network.allowed_addresses import Endpoint

    Post = Callable[[str, bytes, dict[str, str], str], tuple[int, bytes]]

TOKEN_LABEL = "secret.token_url"  # noqa: S105 - the name of a field
OK = 200


class _Token(msgspec.Struct):
    access_token: str


class Authorization:
    """One opened credential. It is not printed, and lives as long as its job."""

    def __init__(self, kind: str, hosts: tuple[str, ...] | None, secret: dict[str, Any]) -> None:
        self._kind = kind
        self._hosts = hosts
        self._secret = secret
        self._access_token = ""
        self.used = False
        """Whether it was sent since this was last set."""

    @classmethod
    def of_headers(cls, headers: dict[str, str]) -> Self:
        """Return headers that are bound to no host: they go to the origin that the request names."""
        return cls("headers", None, headers)

    def __repr__(self) -> str:
        """Leave out the secret."""
        return f"Authorization({self._kind})"

    def check(self, place: Endpoint, label: str) -> None:
        """Check that the credential may be sent to a URL that the job names.

        Raises:
            MediaRejected: it may not.
        """
        if not self._allows(place):
            hosts = ", ".join(self._hosts or ())
            raise MediaRejected(f"{label} must be an https URL at one of the hosts of the credential: {hosts}")

    def prepare(self, post: Post) -> None:
        """Fetch the access token of an OAuth client, once for the job.

        Raises:
            MediaRejected: the server rejects the client.
            AttemptFailed: the server does not answer.
        """
        if self._kind != "oauth2_client" or self._access_token:
            return
        self.used = True
        user, password = (quote(self._secret[name], safe="") for name in ("client_id", "client_secret"))  # RFC 6749, 2.3.1
        form = {"grant_type": "client_credentials"} | ({"scope": self._secret["scope"]} if "scope" in self._secret else {})
        headers = {
            "Authorization": _basic(user, password),
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        status, body = post(self._secret["token_url"], urlencode(form).encode(), headers, TOKEN_LABEL)
        if status != OK:
            text = f"{TOKEN_LABEL} answered with status {status}"
            raise MediaRejected(text) if 400 <= status < 500 else AttemptFailed(text)  # noqa: PLR2004
        try:
            token = msgspec.json.decode(body, type=_Token).access_token
        except (ValueError, RecursionError) as error:  # msgspec errors are ValueErrors
            raise MediaRejected(f"{TOKEN_LABEL} answered without an access_token") from error
        if not token or not all("!" <= char <= "~" for char in token):
            raise MediaRejected(f"{TOKEN_LABEL} answered with an access_token that is no token")
        self._access_token = token

    def apply(self, place: Endpoint, method: str) -> tuple[dict[str, str], str]:
        """Return the headers to add and the path to ask for; nothing is added at a host that the credential is not bound to."""
        secret, path = self._secret, place.path
        if not self._allows(place):
            return {}, path
        self.used = True
        if self._kind == "aws_s3":  # S3 compares the path with every character encoded that may be
            bare, mark, query = path.partition("?")
            path = quote(unquote(bare), safe="/-_.~") + mark + query
            return _signed(place._replace(path=path), method, secret), path
        if self._kind == "query":
            pair = urlencode({secret["name"]: secret["value"]})
            return {}, f"{path}{'&' if urlsplit(path).query else '?'}{pair}"
        return self._headers(), path

    def _headers(self) -> dict[str, str]:
        secret = self._secret
        headers: dict[str, str] | None = None
        match self._kind:
            case "headers":
                headers = dict(secret)
            case "header":
                headers = {secret["name"]: secret["value"]}
            case "bearer":
                headers = {"Authorization": f"Bearer {secret['token']}"}
            case "basic":
                headers = {"Authorization": _basic(secret["username"], secret["password"])}
            case "oauth2_client":
                headers = {"Authorization": f"Bearer {self._access_token}"}
        if headers is None:
            raise MediaRejected("The credential is of a kind that this worker does not know")
        return headers

    def _allows(self, place: Endpoint) -> bool:
        if self._hosts is None:
            return True
        return place.scheme == "https" and place.host_header in self._hosts


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _signed(place: Endpoint, method: str, secret: dict[str, Any]) -> dict[str, str]:
    """Return the headers of an AWS signature (Version 4). The body is not signed: TLS protects it."""
    from botocore.auth import S3SigV4Auth  # noqa: PLC0415 - only this kind pays for it
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415
    from botocore.credentials import Credentials  # noqa: PLC0415

    request = AWSRequest(method=method, url=f"https://{place.host_header}{place.path}")
    keys = Credentials(secret["access_key_id"], secret["secret_access_key"], secret.get("session_token"))
    signer = S3SigV4Auth(keys, "s3", secret["region"])
    signer.payload = lambda request: "UNSIGNED-PAYLOAD"  # type: ignore[method-assign]
    signer.add_auth(request)
    return {name: value for name, value in request.headers.items() if name.lower() != "host"}
