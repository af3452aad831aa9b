"""The taxonomy cache: generations, time to live, figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.ledger.ledger import Ledger
from chalicelib.usecases.taxonomy import Taxonomy

if TYPE_CHECKING:
    from chalicelib.ledger.scripts import Scripts


class Source:
    """Where terms come from: counts how often it is asked, and can be slow."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = [{"id": 1, "name": "Rock"}, {"id": 2, "name": "Jazz"}]
        self.asked = 0
        self.meanwhile = lambda: None

    def taxonomy_terms(self) -> list[dict[str, Any]]:
        self.asked += 1
        rows = list(self.rows)
        self.meanwhile()
        return rows


@pytest.fixture
def source() -> Source:
    return Source()


def cache(scripts: Scripts, source: Source, ttl: int = 3600) -> Taxonomy:
    """Another process' view of the same cache."""
    return Taxonomy(scripts, source, ttl)  # type: ignore[arg-type]


def test_read_once_for_all(scripts: Scripts, source: Source) -> None:
    one, other = cache(scripts, source), cache(scripts, source)
    assert one.terms() == other.terms() == one.terms() == source.rows
    assert source.asked == 1
    assert Ledger(scripts).stats()[5:] == (2, 2, 1)  # size, hits, misses


def test_one_new_generation_voids_every_copy(scripts: Scripts, source: Source) -> None:
    one, other = cache(scripts, source), cache(scripts, source)
    one.terms()
    other.terms()
    source.rows.append({"id": 3, "name": "Blues"})
    one.invalidate()
    assert Ledger(scripts).stats().size == 0
    assert len(other.terms()) == len(one.terms()) == 3
    assert source.asked == 2


def test_terms_read_before_an_invalidation_are_not_kept_after_it(scripts: Scripts, source: Source) -> None:
    one = cache(scripts, source)
    source.meanwhile = one.invalidate  # while Directus was answering
    one.terms()
    assert Ledger(scripts).stats().size == 0
    assert list(scripts.redis.scan_iter("*:taxonomy:*")) == []
    source.meanwhile = lambda: None
    source.rows.append({"id": 3, "name": "Blues"})
    assert len(one.terms()) == 3


def test_the_time_to_live_bounds_what_a_missed_call_does(scripts: Scripts, source: Source) -> None:
    one = cache(scripts, source, ttl=60)
    one.terms()
    [key] = list(scripts.redis.scan_iter("*:taxonomy:*"))
    assert 0 < scripts.redis.ttl(key) <= 60
    scripts.redis.delete(key)  # as if it had run out
    assert Ledger(scripts).stats().size == 0
    one.terms()
    assert source.asked == 2


def test_a_flush_is_a_miss(scripts: Scripts, source: Source) -> None:
    one = cache(scripts, source)
    one.terms()
    scripts.redis.flushall()
    assert one.terms() == source.rows
    assert source.asked == 2
