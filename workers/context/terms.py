"""Finds taxonomy terms in text: whole words and phrases, ignoring case and accents.

One Aho-Corasick automaton (1975) over words contains all terms, so the time does not depend on their number. It is built once
per generation of the taxonomy cache.
"""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from chalicelib.usecases.taxonomy import Taxonomy, Terms

WORD = re.compile(r"\w+")


class TermMatcher:
    """The automaton. A taxonomy row matches by its `name` and its `slug`."""

    def __init__(self, terms: Terms) -> None:
        self._next: list[dict[str, int]] = [{}]
        self._fail: list[int] = [0]
        self._found: list[list[int]] = [[]]
        self._rows = terms
        for number, row in enumerate(terms):
            for text in {" ".join(words(str(row[field]))) for field in ("name", "slug") if row.get(field)}:
                self._add(text.split(), number)
        self._link()

    @property
    def names(self) -> list[str]:
        """The names of the terms."""
        return [str(row["name"]) for row in self._rows if row.get("name")]

    def find(self, texts: dict[str, str]) -> list[dict[str, Any]]:
        """Return the terms in `texts` (source -> texts), most frequent first, with their counts and sources."""
        counts: dict[int, dict[str, int]] = {}
        for origin, text in texts.items():
            for line in text.splitlines():  # a phrase does not span two texts, such as two tags
                for number in self._matches(words(line)):
                    where = counts.setdefault(number, {})
                    where[origin] = where.get(origin, 0) + 1
        found = [
            {
                "id": self._rows[number].get("id"),
                "name": self._rows[number].get("name"),
                "kind": self._rows[number].get("kind"),
                "count": sum(where.values()),
                "found_in": sorted(where),
            }
            for number, where in counts.items()
        ]
        return sorted(found, key=lambda term: (-term["count"], str(term["name"])))

    def _add(self, term: list[str], number: int) -> None:
        at = 0
        for word in term:
            if word not in self._next[at]:
                self._next[at][word] = len(self._next)
                self._next.append({})
                self._fail.append(0)
                self._found.append([])
            at = self._next[at][word]
        if at:
            self._found[at].append(number)

    def _link(self) -> None:
        """Set the failure links: the state of the longest suffix that is a prefix of a term."""
        queue = deque(self._next[0].values())
        while queue:
            at = queue.popleft()
            for word, child in self._next[at].items():
                self._fail[child] = self._step(self._fail[at], word)
                self._found[child] = self._found[child] + self._found[self._fail[child]]
                queue.append(child)

    def _step(self, at: int, word: str) -> int:
        while at and word not in self._next[at]:
            at = self._fail[at]
        return self._next[at].get(word, 0)

    def _matches(self, text: Iterable[str]) -> Iterator[int]:
        at = 0
        for word in text:
            at = self._step(at, word)
            yield from dict.fromkeys(self._found[at])


class TermMatcherCache:
    """Rebuilds the automaton when the taxonomy changes."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._taxonomy = taxonomy
        self._made: tuple[Terms, TermMatcher] | None = None

    def __call__(self) -> TermMatcher:
        """Return the automaton of the current generation: its rows are the same object throughout it."""
        terms = self._taxonomy.terms()
        if self._made is None or self._made[0] is not terms:
            self._made = (terms, TermMatcher(terms))
        return self._made[1]


def words(text: str) -> list[str]:
    """Return the words of a text, normalised: no case, no accents, no hyphens and underscores."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(char for char in plain if not unicodedata.combining(char)).replace("_", " ")
    return WORD.findall(bare)
