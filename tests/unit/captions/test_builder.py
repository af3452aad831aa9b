"""The cue builder: properties of every result, and examples."""

from __future__ import annotations

import itertools

import webvtt
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.captions import formats
from chalicelib.domain.captions.cues import Cue, Style, Word
from workers.captions.builder import LAG_MS, build, wrap

TEXTS = st.text(st.sampled_from("abcdeé.,?<>&-> \n\t\u200b"), min_size=0, max_size=12) | st.sampled_from(["x" * 200, "end."])


@st.composite
def spoken(draw: st.DrawFn) -> list[Word]:
    """Words in the order that they are spoken in, some overlapping, some of no length."""
    clock, words = 0, []
    for _ in range(draw(st.integers(0, 60))):
        clock += draw(st.integers(0, 2000))
        words.append(Word(draw(TEXTS), clock, clock + draw(st.integers(-50, 3000)), 0.5))
    return words


STYLES = st.builds(
    Style,
    line_length=st.integers(16, 80),
    lines=st.integers(1, 4),
    reading_speed=st.floats(8, 40),
    gap_ms=st.integers(0, 1000),
    min_ms=st.integers(200, 1900),
    max_ms=st.integers(2000, 20_000),
)


@given(spoken(), STYLES)
def test_what_holds_of_every_result(words: list[Word], style: Style) -> None:
    cues = build(words, style)
    for cue in cues:
        assert 1 <= len(cue.lines) <= style.lines
        assert all(0 < len(line) <= style.line_length for line in cue.lines)
        assert style.min_ms <= cue.end_ms - cue.start_ms <= style.max_ms
        assert cue.start_ms >= cue.words[0].start_ms
    for one, other in itertools.pairwise(cues):
        assert other.start_ms - one.end_ms >= style.gap_ms
    shown = "".join(line.replace(" ", "") for cue in cues for line in cue.lines)
    assert shown == "".join("".join(c if c.isprintable() else " " for c in word.text).replace(" ", "") for word in words)


@given(spoken(), STYLES)
def test_every_cue_can_be_read_unless_the_next_would_be_late(words: list[Word], style: Style) -> None:
    cues = build(words, style)
    for number, cue in enumerate(cues):
        wanted_ms = cue.characters / style.reading_speed * 1000
        has_ms = cue.end_ms - cue.start_ms
        pressed = number + 1 < len(cues) and cue.end_ms + style.gap_ms >= cues[number + 1].words[0].start_ms + LAG_MS
        alone_too_long = len(cue.words) == 1 and wanted_ms > style.max_ms
        assert has_ms >= wanted_ms - 1 or pressed or alone_too_long or has_ms == style.max_ms


@given(spoken(), STYLES)
def test_a_webvtt_library_accepts_it_and_reads_the_same(words: list[Word], style: Style) -> None:
    cues = build(words, style)
    read = list(webvtt.from_string(formats.vtt(cues, "en")))
    assert [(_ms(one.start), _ms(one.end)) for one in read] == [(cue.start_ms, cue.end_ms) for cue in cues]
    assert [len(one.lines) for one in read] == [len(cue.lines) for cue in cues]


def _ms(clock: str) -> int:
    hours, minutes, seconds = clock.split(":")
    return (int(hours) * 60 + int(minutes)) * 60_000 + round(float(seconds) * 1000)


@given(st.lists(st.text("ab,", min_size=1, max_size=16), min_size=1, max_size=20), st.integers(16, 42))
def test_wrapping_takes_no_more_lines_than_greed_does(texts: list[str], length: int) -> None:
    greedy, width = 1, -1
    for text in texts:
        width += len(text) + 1
        if width > length:
            greedy, width = greedy + 1, len(text)
    lines = wrap(texts, length)
    assert len(lines) == greedy
    assert " ".join(lines) == " ".join(texts)


def say(text: str, start_ms: int = 0, each_ms: int = 300) -> list[Word]:
    return [Word(word, start_ms + at * each_ms, start_ms + (at + 1) * each_ms - 20) for at, word in enumerate(text.split())]


def shown(cues: list[Cue]) -> list[tuple[str, ...]]:
    return [cue.lines for cue in cues]


def test_lines_are_even_and_break_after_a_clause() -> None:
    text = "I would have come sooner, had I only known about it"
    assert shown(build(say(text), Style())) == [("I would have come sooner,", "had I only known about it")]


def test_a_sentence_ends_a_cue_and_so_does_a_pause() -> None:
    words = [*say("We are here now."), *say("Are you?", 1200), *say("Yes", 6000)]
    assert shown(build(words, Style())) == [("We are here now.",), ("Are you?",), ("Yes",)]


def test_a_short_cue_stays_to_be_read() -> None:
    cue = build([Word("Extraordinarily!", 1000, 1100)], Style(reading_speed=10))[0]
    assert (cue.start_ms, cue.end_ms) == (1000, 2600)


def test_the_formats() -> None:
    cues = build([Word("a<b", 0, 900, 0.25), Word("&c", 900, 3_661_001)], Style(max_ms=7000))
    assert formats.vtt(cues, "en").startswith("WEBVTT\nLanguage: en\n\n00:00:00.000 --> 00:00:00.900\na&lt;b\n\n")
    assert formats.srt(cues, "en").startswith("1\n00:00:00,000 --> 00:00:00,900\na<b\n\n2\n")
    assert '"confidence":0.25' in formats.json(cues, "en")
    assert formats.clock(3661.0015) == "01:01:01.002"
