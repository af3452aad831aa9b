"""Two queues for two groups of tenants: two prefixes on one Redis, and on two."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chalicelib.ledger.ledger import Ledger, new_token
from chalicelib.ledger.scripts import Scripts
from chalicelib.ledger.usage import UsageLedger
from infra.local import processes
from infra.local.process import pick_port
from tests.unit.factories import CYCLE, admit, job

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=["one server", "two servers"])
def shards(request: pytest.FixtureRequest, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Ledger]]:
    urls, servers = [redis_url, redis_url], []
    if request.param == "two servers":
        state, port = tmp_path_factory.mktemp("redis") / "state", pick_port()
        servers = [processes.redis_process(state, port).start()]
        urls = [redis_url, processes.redis_url(state, port)]
    ledgers = [Ledger(Scripts(url, f"{{shard-{number}}}")) for number, url in enumerate(urls)]
    for ledger in ledgers:
        ledger._scripts.redis.flushall()
    yield ledgers
    for server in servers:
        server.stop()


def test_each_has_its_own_order_counts_and_quotas(shards: list[Ledger]) -> None:
    here, there = shards
    for ledger in shards:
        UsageLedger(ledger._scripts).seed_jobs("user", CYCLE, "transcoding", 0)
    urgent, common = admit(there, priority=1), admit(here, priority=50)
    assert here.admit(job("user"), "pending", 1).word == "admitted"
    assert here.admit(job("user"), "pending", 1).word == "limit"
    assert there.admit(job("user"), "pending", 1).word == "admitted"
    claimed = there.claim_next("container", new_token())
    assert claimed is not None
    assert claimed.job is not None
    assert claimed.job.id == urgent.id
    assert (here.stats()[:2], there.stats()[:2]) == ((2, 0), (1, 1))
    assert there.finish(claimed.job, claimed.token, "completed", {}) == "ok"
    assert (here.stats().completed, there.stats().completed) == (0, 1)
    assert here.get(common.job_id) is not None
    assert there.get(common.job_id) is None


def test_a_pause_and_a_loss_of_one_are_not_the_other_s(shards: list[Ledger]) -> None:
    here, there = shards
    admit(here)
    kept = admit(there)
    here.pause("container", True)
    assert here.claim_next("container", new_token()) is None
    for key in here._scripts.redis.scan_iter("{shard-0}:*"):
        here._scripts.redis.delete(key)
    assert here.stats()[:2] == (0, 0)
    claimed = there.claim_next("container", new_token())
    assert claimed is not None
    assert claimed.job is not None
    assert claimed.job.id == kept.id
