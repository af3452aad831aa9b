"""The use cases behind `/credentials`: store, list, change, delete and test the credentials of a user.

The API seals a secret and cannot open it. Owners manage their credentials; administrators see what is not secret.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
from aws_lambda_powertools import Logger

from chalicelib.domain import credentials as c
from chalicelib.domain.validation import is_web_address, validate
from chalicelib.errors import BadRequest, Conflict, NotFound, TooManyRequests
from chalicelib.ledger.credential_tests import Limited

if TYPE_CHECKING:
    from chalicelib.access.auth import Caller
    from chalicelib.access.ownership import Ownership
    from chalicelib.access.sealing import Sealer
    from chalicelib.directus.client import Directus
    from chalicelib.directus.records import Connection
    from chalicelib.ledger.credential_tests import CredentialTests

logger = Logger(service="mediaq", child=True)
LISTED_MAX = 1000
TEST_SECONDS, POLL_SECONDS = 8.0, 0.2
"""How long a call waits for a worker's answer, and how often it looks."""
MISSING = "There is no such credential of yours"


class CredentialStore:
    """Manages credentials."""

    def __init__(
        self, directus: Directus, ownership: Ownership, sealer: Sealer, tests: CredentialTests, fingerprint_key: str
    ) -> None:
        self._directus = directus
        self._ownership = ownership
        self._sealer = sealer
        self._tests = tests
        self._fingerprint_key = fingerprint_key

    def create(self, data: dict[str, Any], caller: Caller) -> c.CredentialView:
        """Store a credential of the caller.

        Raises:
            BadRequest: a field is wrong; the message never has the secret.
            Conflict: the caller has too many.
        """
        asked = validate(data, c.NewCredential)
        self._ownership.check_active(caller)
        hosts = c.check_hosts(asked.hosts)
        secret = c.check_secret(asked.kind, asked.secret, hosts)
        if sum(one.kind is not None for one in self._directus.find_connections(caller.user_id, LISTED_MAX)) >= c.PER_USER:
            raise Conflict(f"You have {c.PER_USER} credentials already; delete one first")
        key = str(uuid4())
        payload = c.Payload(id=key, owner=caller.user_id, kind=asked.kind, hosts=hosts, secret=secret)
        values = {"id": key, "platform": asked.kind, "name": asked.name, "kind": asked.kind, "hosts": list(hosts)}
        values |= {"credentials": self._seal(payload), "fingerprint": c.fingerprint(self._fingerprint_key, asked.kind, secret)}
        made = self._directus.create_connection(values, caller.user_id)
        self._log("credential created", made, caller)
        return _view(made)

    def page(self, caller: Caller) -> list[c.CredentialView]:
        """Return the caller's credentials, or everybody's for an administrator."""
        everybody = self._ownership.is_administrator(caller)
        if not everybody:
            self._ownership.check_active(caller)
        found = self._directus.find_connections(None if everybody else caller.user_id, LISTED_MAX)
        return [_view(one) for one in found if one.kind in c.SECRETS]

    def show(self, key: str, caller: Caller) -> c.CredentialView:
        """Return one credential."""
        return _view(self._read(key, caller, administrators=True))

    def change(self, key: str, data: dict[str, Any], caller: Caller) -> c.CredentialView:
        """Rename a credential, or replace its secret and hosts.

        Raises:
            BadRequest: a field is wrong, or hosts are given without the secret that is sealed with them.
        """
        asked = validate(data, c.CredentialChange)
        found = self._read(key, caller)
        values: dict[str, Any] = {"name": asked.name} if asked.name is not None else {}
        if asked.secret is None and asked.hosts is not None:
            raise BadRequest("secret must be given with hosts: a secret is sealed together with its hosts")
        if asked.secret is not None:
            hosts = c.check_hosts(asked.hosts if asked.hosts is not None else found.host_list)
            secret = c.check_secret(found.kind or "", asked.secret, hosts)
            payload = c.Payload(id=key, owner=caller.user_id, kind=found.kind or "", hosts=hosts, secret=secret)
            print_ = c.fingerprint(self._fingerprint_key, payload.kind, secret)
            values |= {"hosts": list(hosts), "credentials": self._seal(payload), "fingerprint": print_}
        if not values:
            raise BadRequest("name, hosts or secret must be given")
        changed = self._directus.change_connection(key, values)
        self._log("credential changed", changed, caller, fields=sorted(values.keys() - {"credentials"}))
        return _view(changed)

    def delete(self, key: str, caller: Caller, *, force: bool) -> None:
        """Delete a credential.

        Raises:
            Conflict: an open job names it, and `force` is not set.
        """
        found = self._read(key, caller)
        if not force and self._directus.is_in_use(key):
            raise Conflict("An open job uses the credential; add ?force=true to delete it all the same")
        self._directus.delete_connection(key)
        self._log("credential deleted", found, caller, force=force)

    def test(self, key: str, data: dict[str, Any], caller: Caller) -> c.TrialAnswer:
        """Let a worker send a request with the credential, and return the status.

        Raises:
            BadRequest: the URL is not at one of the hosts.
            TooManyRequests: too many tests.
        """
        url = validate(data, c.TrialRequest).url
        found = self._read(key, caller)
        if not is_web_address(url, ("https",)) or c.host_of(url) not in (found.host_list):
            raise BadRequest(f"url must be an https URL at one of {', '.join(found.host_list)}")
        try:
            test_id = self._tests.request(caller.user_id, key, url)
        except Limited as error:
            raise TooManyRequests("You have tested credentials too often; try again later", error.seconds) from error
        self._log("credential test requested", found, caller, host=c.host_of(url))
        until = time.monotonic() + TEST_SECONDS
        while time.monotonic() < until:
            outcome = self._tests.read(test_id)
            if outcome is not None:
                return c.TrialAnswer(
                    state="failed" if outcome.error else "answered", status=outcome.status or None, error=outcome.error
                )
            time.sleep(POLL_SECONDS)
        return c.TrialAnswer(state="pending", status=None, error="")

    def _read(self, key: str, caller: Caller, *, administrators: bool = False) -> Connection:
        found = self._directus.read_connection(key)
        if found is None or found.kind not in c.SECRETS:
            raise NotFound(MISSING)
        if found.user_created != caller.user_id:
            if not administrators or not self._ownership.is_administrator(caller):
                raise NotFound(MISSING)
        else:
            self._ownership.check_active(caller)
        return found

    def _seal(self, payload: c.Payload) -> str:
        data = msgspec.json.encode(payload)
        if len(data) > c.SEALED_MAX_BYTES:
            raise BadRequest(f"secret and hosts must be at most {c.SEALED_MAX_BYTES} bytes together")
        return self._sealer.seal(data, payload.id)

    def _log(self, message: str, connection: Connection, caller: Caller, **extra: Any) -> None:
        about = {"credential_id": connection.id, "kind": connection.kind, "user_id": caller.user_id}
        logger.info(message, extra={**about, **extra})


def _view(row: Connection) -> c.CredentialView:
    return c.CredentialView(
        id=row.id,
        name=row.name or "",
        kind=row.kind or "",
        hosts=row.host_list,
        fingerprint=row.fingerprint or "",
        created_at=row.date_created,
        last_used_at=row.last_used_at,
        last_status=row.last_status,
        user=row.user_created,
    )
