"""mediaq against other job queues on the same SQS emulator: throughput of no-op jobs, SQS calls, and order."""

from __future__ import annotations

import random
import statistics
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import boto3
import msgspec

from bench import noop, peers, timed
from bench.ledger import job, payload
from chalicelib.ledger.ledger import new_token
from chalicelib.ledger.types import NextClaim
from infra.local.processes import REGION
from infra.local.proxies.http import HttpProxy, SqsProxy

if TYPE_CHECKING:
    from bench import Figures
    from chalicelib.domain.jobs import MediaJob
    from chalicelib.ledger.types import Claim

JOBS = 200
ROUNDS = 3
SHUFFLED = 300
ALONE = 20
HEAVY = 10_000
HEAVY_ON_SQS = 300
NEWCOMERS = 20
SCRIPTS = {"celery": "celery_side.py", "dramatiq": "dramatiq_side.py"}


def run() -> Figures:
    """Measure all of them alternately."""
    with noop.system() as system:
        boto3.client("sqs", endpoint_url=system.sqs, region_name=REGION).create_queue(QueueName="celery-bench")
        return throughput(system) | calls(system) | order(system)


def throughput(system: noop.System) -> Figures:
    """Jobs a second of one process, one job at a time."""
    seconds: dict[str, dict[str, list[float]]] = {}
    for _ in range(ROUNDS):
        made = [job(0) for _ in range(JOBS)]
        tickets = system.tickets(system.sqs)
        ours = {"enqueue": timed(lambda made=made, tickets=tickets: system.enqueue(made, tickets))}  # type: ignore[misc]
        ours["drain"] = timed(lambda tickets=tickets: system.drain(JOBS, tickets))  # type: ignore[misc]
        sides = {"mediaq": ours}
        for name, script in SCRIPTS.items():
            sides[name] = {command: _peer(system, script, command, made)["seconds"] for command in ("enqueue", "drain")}
        for side, measured in sides.items():
            for name, value in measured.items():
                seconds.setdefault(name, {}).setdefault(side, []).append(value)
    return {
        f"{name} jobs a second on SQS": {side: round(JOBS / statistics.median(values)) for side, values in by_side.items()}
        for name, by_side in seconds.items()
    }


def calls(system: noop.System) -> Figures:
    """SQS calls per job."""
    figures = our_calls(system)
    for name, script in SCRIPTS.items():
        proxy = HttpProxy(int(system.sqs.rpartition(":")[2]))
        counted = _count(proxy)
        made = [job(0) for _ in range(SHUFFLED)]
        for command in ("enqueue", "drain"):
            _peer(system, script, command, made, f"http://127.0.0.1:{proxy.port}")
        figures[name] = round(counted.total() / SHUFFLED, 2)
        proxy.close()
    return {"SQS calls a job": figures}


def our_calls(system: noop.System) -> dict[str, float]:
    """SQS calls per job: many with random priorities, and one at a time; with and without shuffled receives."""
    figures: dict[str, float] = {}
    dice = random.Random(7)  # noqa: S311 - a bench
    target = int(system.sqs.rpartition(":")[2])
    for name, proxy in {"mediaq": HttpProxy(target), "mediaq shuffled": SqsProxy(target, dice, duplicates=0)}.items():
        counted = _count(proxy)
        tickets = system.tickets(f"http://127.0.0.1:{proxy.port}")
        system.enqueue([msgspec.structs.replace(job(0), priority=dice.randint(1, 100)) for _ in range(SHUFFLED)], tickets)
        system.drain(SHUFFLED, tickets)
        figures[name] = round(counted.total() / SHUFFLED, 2)
        figures |= {f"{name} {action}": round(count / SHUFFLED, 2) for action, count in sorted(counted.items())}
        counted.clear()
        for _ in range(ALONE):
            system.enqueue([job(0)], tickets)
            system.drain(1, tickets)
        figures[f"{name}, alone"] = round(counted.total() / ALONE, 2)
        proxy.close()
    return figures


def order(system: noop.System) -> Figures:
    """How many jobs of a heavy user run before the last of twenty users with one job; inversions of priorities."""
    heavy = [msgspec.structs.replace(job(0), priority=10) for _ in range(HEAVY)]
    newcomers = [msgspec.structs.replace(job(0), priority=10, user_id=f"newcomer-{number}") for number in range(NEWCOMERS)]
    mixed = [msgspec.structs.replace(job(0), priority=random.randint(1, 100)) for _ in range(1000)]  # noqa: S311 - a bench
    figures: Figures = {}
    for name, made in {"heavy": [*heavy, *newcomers], "mixed": mixed}.items():
        few = [*made[:HEAVY_ON_SQS], *(newcomers if name == "heavy" else [])]
        ran = {"mediaq": _our_order(system, made), "bullmq": _bullmq_order(system, made, system.redis_url)}
        ran["celery"] = _sqs_order(system, few)
        for side, ids in ran.items():
            if name == "heavy":
                last = max(ids.index(one.job_id) for one in newcomers)
                waited = last - (NEWCOMERS - 1)
                figures.setdefault("heavy jobs before the last of 20 newcomers", {})[side] = waited
            else:
                priority = {one.job_id: one.priority for one in made}
                ranks = [priority[one] for one in ids]
                inversions = sum(ahead > behind for ahead, behind in pairwise(ranks))
                figures.setdefault("inversions of 1000 random priorities", {})[side] = inversions
    figures["heavy jobs before the last of 20 newcomers"]["celery had"] = HEAVY_ON_SQS
    return figures


def _our_order(system: noop.System, made: list[MediaJob]) -> list[str]:
    """By the ledger alone: any ticket claims the best job."""
    system.scripts.redis.flushall()
    tickets = [system.ledger.admit(one, "pending", -1).send for one in made]
    random.shuffle(tickets)
    ran = []
    while system.ledger.stats().waiting:  # a ticket whose job has run claims no other
        for ticket in tickets:
            assert ticket is not None
            claim: Claim | None = system.ledger.claim(ticket.pool, ticket.id, ticket.job_id, new_token())
            while claim is not None and claim.job is not None:
                ran.append(claim.job.job_id)
                wanted = NextClaim(new_token(), ("container",))
                claim = system.ledger.finish_and_claim(claim.job, claim.token, "completed", {}, 0, "", 0, wanted).next
    return ran


def _bullmq_order(system: noop.System, made: list[MediaJob], redis_url: str) -> list[str]:
    system.scripts.redis.flushall()
    sent = [{**one, "id": job.job_id} for one, job in zip(payload(made), made, strict=True)]
    peers.bullmq("admit", {"jobs": sent, "concurrency": 1}, redis_url)
    ran: list[str] = peers.bullmq("order", {"count": len(made)}, redis_url)
    return ran


def _sqs_order(system: noop.System, made: list[MediaJob]) -> list[str]:
    _peer(system, SCRIPTS["celery"], "enqueue", made)
    ran: list[str] = _peer(system, SCRIPTS["celery"], "drain", made)["order"]
    return ran


def _peer(system: noop.System, script: str, command: str, made: list[MediaJob], endpoint: str = "") -> Any:
    sent = [{**one, "id": job.job_id} for one, job in zip(payload(made), made, strict=True)]
    arguments = {"jobs": sent} if command == "enqueue" else {"count": len(made)}
    return peers.python(script, command, arguments, {"AWS_ENDPOINT_URL": endpoint or system.sqs})


def _count(proxy: HttpProxy) -> Counter[str]:
    counted: Counter[str] = Counter()
    proxy.record = lambda exchange: counted.update([exchange.headers.get("X-Amz-Target", "other").rpartition(".")[2]])
    return counted
