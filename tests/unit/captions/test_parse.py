"""Caption files of people: what is read, what is refused and how, and that nothing crashes the reader."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.captions import formats, limits
from chalicelib.domain.captions.cues import Cue, Style
from chalicelib.domain.captions.parse import parse
from chalicelib.errors import BadRequest

TIMES = "00:00:01.000 --> 00:00:02.500"
RICH = f"WEBVTT - a title\nLanguage: de\n\nNOTE by me\n\nSTYLE\n::cue {{}}\n\nintro\n{TIMES} line:0\nHello\nyou\n"
SUBRIP = "1\r\n00:00:01,000 --> 00:00:02,500\r\nHello\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\nyou\r\n"
READ = [
    ("WebVTT", f"WEBVTT\n\n{TIMES}\nHello", [(1000, 2500, ("Hello",))]),
    ("WebVTT with a header, a comment, a style and a name", RICH, [(1000, 2500, ("Hello", "you"))]),
    ("WebVTT without hours", "WEBVTT\n\n00:01.000 --> 00:02.500\nHello", [(1000, 2500, ("Hello",))]),
    ("SubRip with Windows line ends", SUBRIP, [(1000, 2500, ("Hello",)), (3000, 4000, ("you",))]),
    ("a byte order mark", f"\ufeffWEBVTT\n\n{TIMES}\nHello", [(1000, 2500, ("Hello",))]),
    ("markup", f"WEBVTT\n\n{TIMES}\n<v Ann>{{\\an8}}<i>a &lt; b</i> &amp; c", [(1000, 2500, ("a < b & c",))]),
    ("an empty cue", f"WEBVTT\n\n{TIMES}\n \n\n00:00:03.000 --> 00:00:04.000\nx", [(3000, 4000, ("x",))]),
    ("short milliseconds", "WEBVTT\n\n00:00:01.5 --> 00:00:02.25\nx", [(1500, 2250, ("x",))]),
    ("no cues", "WEBVTT\n", []),
    ("JSON", '{"cues": [{"start": 1, "end": 2.5, "lines": ["Hello"]}], "language": "de"}', [(1000, 2500, ("Hello",))]),
]  # fmt: skip
REFUSED = [
    ("text", "Dear all,", "neither WebVTT nor SubRip"),
    ("a cue that ends before it starts", "WEBVTT\n\n00:00:02.000 --> 00:00:01.000\nx", "Cue 1 must end after it starts"),
    ("overlap", f"WEBVTT\n\n{TIMES}\nx\n\n00:00:02.000 --> 00:00:03.000\ny", "Cue 2 must start after cue 1 ends"),
    ("times that are none", "WEBVTT\n\n00:00:aa --> 00:00:03.000\ny", "Cue 1: '00:00:aa --> 00:00:03.000' must be two times"),
    ("JSON of another form", '{"cues": [{"start": "now", "end": 2, "lines": ["a"]}]}', "cues[0].start"),
    ("JSON that is none", '{"cues": [', "not valid JSON"),
    ("JSON with half a character", '{"\\udaa1": 1, "cues": []}', "not valid JSON"),
    ("JSON that is deep", "[" * 100_000, "neither WebVTT nor SubRip"),
    ("JSON that is deep inside", '{"a": ' * 100_000, "not valid JSON"),
    (
        "a word beyond a day",
        '{"cues": [{"start": 1, "end": 2, "lines": ["a"], "words": [{"text": "a", "start": 1e306, "end": 1}]}]}',
        "words[0].start",
    ),
    ("a language that is none", '{"cues": [], "language": "English (US)"}', "language"),
    ("a language of two lines", '{"cues": [], "language": "en\\n\\n1"}', "language"),
    ("a number beyond a day", '{"cues": [{"start": 1, "end": 1e300, "lines": ["a"]}]}', "cues[0].end"),
    ("a cue without text", '{"cues": [{"start": 1, "end": 2, "lines": [" "]}]}', "Cue 1 has no text"),
    ("too many lines", f"WEBVTT\n\n{TIMES}\n" + "x\n" * 9, "Cue 1 has more than 8 lines"),
    ("a long line", f"WEBVTT\n\n{TIMES}\n" + "x" * 1001, "more than 1000 characters"),
    ("a block without times", f"WEBVTT\n\n{TIMES}\nx\n\nstray", "'stray' has no times"),
]


@pytest.mark.parametrize(("text", "cues"), [row[1:] for row in READ], ids=[row[0] for row in READ])
def test_what_is_read(text: str, cues: list[tuple[int, int, tuple[str, ...]]]) -> None:
    assert [(cue.start_ms, cue.end_ms, cue.lines) for cue in parse(text.encode()).cues] == cues


def test_the_language_of_a_file() -> None:
    assert [parse(row[1].encode()).language for row in (READ[0], READ[1], READ[-1])] == ["", "de", "de"]


@pytest.mark.parametrize(("text", "says"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_refused(text: str, says: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse(text.encode())
    assert says in str(refused.value)


def test_bytes_that_are_no_text_and_files_that_are_too_large() -> None:
    with pytest.raises(BadRequest, match="UTF-8"):
        parse(b"WEBVTT\n\n\xff\xfe")
    with pytest.raises(BadRequest, match="at most 4 MB"):
        parse(b"WEBVTT\n\n" + b" " * (4 << 20))


@given(st.text(st.sampled_from('0123:.,->\n WEBVTNO{}"<&;\\')) | st.text())
def test_whatever_is_sent_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(BadRequest):
        parse(text.encode("utf-8", "surrogatepass"))


CUES = st.lists(
    st.tuples(
        st.integers(1, 5000),
        st.integers(1, 5000),
        st.lists(st.text(st.characters(blacklist_categories=("C", "Z")), min_size=1, max_size=20), min_size=1, max_size=4),
    ),
    max_size=8,
)


@given(CUES)
def test_what_we_write_is_read_as_it_was(parts: list[tuple[int, int, list[str]]]) -> None:
    at, cues = 0, []
    for gap, length, lines in parts:
        cues.append(Cue(at + gap, at + gap + length, tuple(lines)))
        at += gap + length
    assert parse(formats.json(cues, "en").encode()).cues == cues
    assert parse(formats.vtt(cues, "en").encode()).cues == cues


@pytest.mark.parametrize(
    ("cue", "codes"),
    [
        (Cue(1000, 3000, ("Hello there",)), []),
        (Cue(1000, 3000, ("x" * 43,)), ["line_length", "reading_speed"]),
        (Cue(1000, 7000, ("a", "b", "c")), ["lines"]),
        (Cue(1000, 1500, ("a",)), ["duration"]),
        (Cue(1000, 9000, ("a",)), ["duration"]),
        (Cue(530, 2000, ("a",)), ["gap"]),
    ],
)
def test_what_exceeds_the_limits(cue: Cue, codes: list[str]) -> None:
    found = limits.check([Cue(0, 500, ("a",)), cue], Style(min_ms=501 if cue.end_ms == 1500 else 300))
    assert [(one.cue, one.code) for one in found if one.cue == 2] == [(2, code) for code in codes]


def test_warnings_are_bounded() -> None:
    cues = [Cue(at * 1000, at * 1000 + 10, ("x" * 50,)) for at in range(200)]
    assert len(limits.check(cues, Style())) == limits.WARNINGS_MAX
