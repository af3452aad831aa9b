"""Heartbeats: who is alive, who is lost, and what is forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.ledger.workers import ALIVE_MS, Heartbeat, WorkersLedger

if TYPE_CHECKING:
    from tests.conftest import Clock, LossyScripts


@pytest.fixture
def workers(scripts: LossyScripts, clock: Clock) -> WorkersLedger:
    return WorkersLedger(scripts, clock)


def heartbeat(name: str = "w1", kind: str = "container", **about: Any) -> Heartbeat:
    usual = {"pools": ["container"], "host": "h", "version": "1.0.0", "started_ms": 1, "slots": 2}
    return Heartbeat(**{"id": name, "kind": kind, **usual, **about})


def test_what_a_worker_says_is_read(workers: WorkersLedger, clock: Clock) -> None:
    workers.beat(heartbeat(jobs=["a"], last_error="no luck", missing={"analysis": ["filter ebur128"]}))
    [found] = workers.read()
    assert (found.jobs, found.last_error, found.missing) == (["a"], "no luck", {"analysis": ["filter ebur128"]})
    assert (found.seen_ms, found.now_ms) == (clock.ms, clock.ms)


@pytest.mark.parametrize(
    ("kind", "jobs", "lost"),
    [("container", [], True), ("container", ["a"], True), ("lambda", ["a"], True), ("lambda", [], False)],
)
def test_silence(workers: WorkersLedger, clock: Clock, kind: str, jobs: list[str], lost: bool) -> None:
    workers.beat(heartbeat(kind=kind, jobs=jobs))
    clock.advance(ALIVE_MS)
    assert [(one.alive, one.lost) for one in workers.read()] == [(True, False)]
    clock.advance(1)
    assert [(one.alive, one.lost) for one in workers.read()] == [(False, lost)]
    clock.advance(900_000)
    assert workers.read() == []


def test_a_worker_that_stops_is_not_lost(workers: WorkersLedger, clock: Clock) -> None:
    workers.beat(heartbeat("w1"))
    workers.beat(heartbeat("w2", started_ms=0))
    assert [one.id for one in workers.read()] == ["w2", "w1"]
    workers.leave("w1")
    clock.advance(ALIVE_MS + 1)
    assert [one.id for one in workers.read()] == ["w2"]


def test_what_a_later_release_says_is_skipped(workers: WorkersLedger, scripts: LossyScripts, clock: Clock) -> None:
    workers.beat(heartbeat())
    scripts.redis.hset("{test}:workers", "w9", f'{clock.ms} {{"v": 2}}')
    assert [one.id for one in workers.read()] == ["w1"]
