"""Where text may be broken, between two lines of a cue or between two cues.

A good place is after a sentence or a clause, or before a conjunction or a preposition. A bad place is inside a name, inside a
number, or between an article, a title or a preposition and its word. Source: the guidelines of the BBC and of Netflix on line
treatment.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

SENTENCE_ENDS = (".", "?", "!", "…", "。", "？", "！")  # noqa: RUF001 - of scripts that have their own
CLAUSE_ENDS = (",", ";", ":", "—", "–")  # noqa: RUF001 - dashes
CLOSING = "\"'”’»)]"  # noqa: RUF001 - quotation marks
TITLES = {"mr.", "mrs.", "ms.", "dr.", "prof.", "st.", "sr.", "jr.", "no.", "vs."}

SENTENCE, CLAUSE, BEFORE_CONNECTIVE, ANYWHERE, INSIDE = 0.0, 0.25, 0.4, 1.0, 8.0
"""The cost of a break: 0 after a sentence, INSIDE within what belongs together."""

_LISTS = msgspec.json.decode(Path(__file__).with_suffix(".json").read_bytes())
_BINDING = {language: frozenset(words.split()) for language, words in _LISTS["binding"].items()}
"""Words that belong to the next one, by language: articles, possessives, prepositions, pronouns, auxiliaries, titles."""
_CONNECTIVES = {language: frozenset(words.split()) for language, words in _LISTS["connectives"].items()}
"""Words that a line or a cue may well start with, by language: conjunctions, relative pronouns, prepositions."""
_UNITS = frozenset(_LISTS["units"].split())
_NUMBER = re.compile(r"^[$€£]?\d[\d.,:/]*%?$")


def ends_sentence(text: str) -> bool:
    """Return whether a word ends a sentence; a title such as "Dr." does not."""
    return text.rstrip(CLOSING).endswith(SENTENCE_ENDS) and text.lower() not in TITLES


def ends_clause(text: str) -> bool:
    """Return whether a word ends a clause."""
    return text.rstrip(CLOSING).endswith(CLAUSE_ENDS)


def cost(before: str, after: str, language: str = "en") -> float:
    """Return the cost of a break between two words, from SENTENCE to INSIDE."""
    spoken = language.partition("-")[0]
    if ends_sentence(before):
        return SENTENCE
    if ends_clause(before):
        return CLAUSE
    bare, following = before.strip(CLOSING).lower(), after.strip(CLOSING).lower()
    if bare.rstrip(".") in _BINDING.get(spoken, ()) or bare in TITLES or before.endswith(("'", "’")):  # noqa: RUF001
        return INSIDE
    if _is_number(before) and (_is_number(after) or following.rstrip(".,;:!?") in _UNITS):
        return INSIDE
    if _is_name(before) and _is_name(after) and spoken != "de":  # German capitalises every noun
        return INSIDE
    return BEFORE_CONNECTIVE if following in _CONNECTIVES.get(spoken, ()) else ANYWHERE


def _is_number(text: str) -> bool:
    return _NUMBER.match(text.rstrip(".,;:!?")) is not None


def _is_name(text: str) -> bool:
    return text[:1].isupper() and text.strip(".,'’") != "I" and text[:2] != "I'"  # noqa: RUF001 - an apostrophe
