"""The taxonomy terms, cached in Redis and in memory.

A generation id in Redis names the valid copy. A new generation invalidates all copies, also those in warm Lambdas. Directus
reports changes at most once, so copies also have a time to live.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from chalicelib.directus.client import Directus
    from chalicelib.ledger.scripts import Scripts

Terms = list[dict[str, Any]]


class Taxonomy:
    """The cache. Raises `LedgerUnavailable` and `DirectusUnavailable`."""

    def __init__(self, scripts: Scripts, directus: Directus, ttl_seconds: int) -> None:
        self._scripts = scripts
        self._directus = directus
        self._ttl = ttl_seconds
        self._copy: tuple[str, Terms] = ("", [])

    def terms(self) -> Terms:
        """Return the rows of `taxonomy_terms`, from memory, Redis or Directus."""
        generation, terms = self._copy
        word, current, *rest = self._scripts.call("taxonomy/read", generation, secrets.token_hex(8))
        if word == "fresh":
            return terms
        if word == "terms":
            terms = msgspec.json.decode(rest[0])
        else:
            terms = self._directus.taxonomy_terms()
            text = msgspec.json.encode(terms).decode()
            self._scripts.call("taxonomy/store", current, text, len(terms), self._ttl)
        self._copy = (current, terms)
        return terms

    def invalidate(self) -> None:
        """Start a new generation."""
        self._scripts.call("taxonomy/invalidate", secrets.token_hex(8))
