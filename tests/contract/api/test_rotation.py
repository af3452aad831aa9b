"""Rotation of secrets: the old and the new one are valid at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib.errors import LedgerUnavailable
from chalicelib.ledger.ledger import Ledger
from chalicelib.ledger.scripts import Scripts
from infra.local import processes
from infra.local.directus import accounts
from infra.local.process import LOOPBACK, pick_port
from tests.contract.api.test_auth import mint, status
from tests.contract.conftest import serve

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.conftest import Api, Backends

NEW = "another-secret-0123456789abcdef-0123456789"


def test_tokens_of_the_old_secret_and_of_the_new(api: Api, backends: Backends) -> None:
    user = api.user_id("enterprise")
    old, new, strange = mint(id=user), mint(NEW, id=user), mint("a-stranger-s-secret-0123456789abcdef", id=user)
    for changing in serve(backends, DIRECTUS_SECRET=NEW, DIRECTUS_SECRET_BEFORE=accounts.SECRET):
        assert [status(changing, token) for token in (old, new, strange)] == [200, 200, 401]
    for changed in serve(backends, DIRECTUS_SECRET=NEW):
        assert [status(changed, token) for token in (old, new)] == [401, 200]


def test_the_old_internal_token_and_the_new(backends: Backends) -> None:
    def answers(**settings: str) -> list[int]:
        headers = [{"X-Internal-Token": token} for token in (accounts.INTERNAL_TOKEN, NEW, "stranger")]
        return [
            api.call("POST", "/taxonomy/invalidate", headers=header).status_code
            for api in serve(backends, **settings)
            for header in headers
        ]

    assert answers(INTERNAL_TOKEN=NEW, INTERNAL_TOKEN_BEFORE=accounts.INTERNAL_TOKEN) == [200, 200, 403]
    assert answers(INTERNAL_TOKEN=NEW) == [403, 200, 403]


def test_a_redis_whose_password_is_a_setting_of_its_own(tmp_path: Path) -> None:
    """Two are good at a time there as well: Redis' own doing, and ElastiCache's."""
    port = pick_port()
    server = processes.redis_process(tmp_path / "redis", port).start()
    url = f"redis://{LOOPBACK}:{port}/0"
    try:
        Scripts(processes.redis_url(tmp_path / "redis", port), "{test}").redis.execute_command(
            "ACL", "SETUSER", "default", ">old", ">new"
        )
        for password in ("old", "new"):
            assert Ledger(Scripts(url, "{test}", password)).stats().waiting == 0
        for wrong in ("", "neither"):
            with pytest.raises(LedgerUnavailable):
                Ledger(Scripts(url, "{test}", wrong)).stats()
    finally:
        server.kill()
