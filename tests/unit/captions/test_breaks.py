"""Where text is broken: a table of rules of public style guides, and properties."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.captions.cues import Style, Word
from workers.captions import breaks
from workers.captions.builder import build, wrap

RULES = [
    # The guides of the BBC and of Netflix: what must stay together, on one line.
    ("article and noun", "the", "house", breaks.INSIDE),
    ("possessive and noun", "their", "car", breaks.INSIDE),
    ("preposition and noun", "under", "water", breaks.ANYWHERE),
    ("preposition that is known", "to", "London", breaks.INSIDE),
    ("title and name", "Mr.", "Darcy", breaks.INSIDE),
    ("first and last name", "Jane", "Austen", breaks.INSIDE),
    ("number and unit", "3", "million", breaks.INSIDE),
    ("two parts of a number", "1,000", "000", breaks.INSIDE),
    ("pronoun and verb", "she", "said", breaks.INSIDE),
    ("auxiliary and verb", "would", "go", breaks.INSIDE),
    # Where a break belongs.
    ("after a sentence", "home.", "Then", breaks.SENTENCE),
    ("after a question in quotes", 'home?"', "Then", breaks.SENTENCE),
    ("after a clause", "sooner,", "had", breaks.CLAUSE),
    ("before a conjunction", "talked", "and", breaks.BEFORE_CONNECTIVE),
    ("before a preposition", "walked", "into", breaks.BEFORE_CONNECTIVE),
    ("anywhere else", "walked", "slowly", breaks.ANYWHERE),
]


@pytest.mark.parametrize(("before", "after", "cost"), [rule[1:] for rule in RULES], ids=[rule[0] for rule in RULES])
def test_the_cost_of_a_break(before: str, after: str, cost: float) -> None:
    assert breaks.cost(before, after) == cost


@pytest.mark.parametrize(
    ("language", "before", "after", "cost"),
    [
        ("de-DE", "das", "Haus", breaks.INSIDE),
        ("de", "Grünes", "Haus", breaks.ANYWHERE),
        ("fr", "la", "maison", breaks.INSIDE),
        ("es", "los", "libros", breaks.INSIDE),
        ("fi", "the", "house", breaks.ANYWHERE),
    ],
)
def test_words_of_other_languages(language: str, before: str, after: str, cost: float) -> None:
    assert breaks.cost(before, after, language) == cost


EXAMPLES = [
    # The examples of the BBC's subtitle guidelines, "Line breaks": the text, and where the guide breaks it.
    ("We are aiming to get a better television service.", 30, ["We are aiming to get", "a better television service."]),
    ("He said it would increase the number of shareholders.", 30, ["He said it would increase", "the number of shareholders."]),
]


@pytest.mark.parametrize(("text", "length", "lines"), EXAMPLES)
def test_examples_of_a_style_guide(text: str, length: int, lines: list[str]) -> None:
    assert wrap(text.split(), length) == lines


def test_two_cues_share_a_long_sentence_at_a_clause() -> None:
    text = "Had he married a more amiable woman, he might have been made still more respectable than he was."
    words = [Word(word, at * 300, at * 300 + 280) for at, word in enumerate(text.split())]
    cues = build(words, Style())
    assert [" ".join(cue.lines) for cue in cues] == [text[:36], text[37:]]


@given(st.lists(st.sampled_from(["the", "a", "Jane", "Austen", "walked", "and", "house,", "5", "million", "go."]), max_size=40))
def test_no_cue_ends_inside_what_belongs_together_while_there_is_room(texts: list[str]) -> None:
    """With short words, a place to break is never far: no cue ends at a bad one, unless no other place was within its limits."""
    words = [Word(text, at * 300, at * 300 + 280) for at, text in enumerate(texts)]
    cues = build(words, Style())
    for one, other in pairwise(cues):
        before = [word.text for word in one.words]
        if breaks.cost(before[-1], other.words[0].text) == breaks.INSIDE:
            inner = [breaks.cost(first, second) for first, second in pairwise(before)]
            assert all(cost == breaks.INSIDE for cost in inner)
