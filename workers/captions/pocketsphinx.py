"""Recognises English with pocketsphinx and the model in its wheel. Runs in the sandbox; `main()` prints one word a line.

Its voice detector cuts the sound into utterances of at most PIECE_SECONDS, so that memory does not grow with the length.
"""

from __future__ import annotations

import re
import sys
import wave
from pathlib import Path

from workers.captions.lines import Line, say

PIECE_SECONDS = 20
FRAMES_A_SECOND = 100
NOT_WORDS = re.compile(r"^(<.*>|\[.*\]|\+\+.*\+\+)$")
VARIANT = re.compile(r"\(\d+\)$")  # alternative pronunciations in the dictionary


def main() -> None:
    """Print the words of a 16 kHz mono WAV file, the second last argument."""
    from pocketsphinx import Decoder, Segmenter  # noqa: PLC0415 - only this process pays for it

    with wave.open(str(Path(sys.argv[-2])), "rb") as sound:
        rate = sound.getframerate()
        decoder = Decoder(samprate=rate, loglevel="FATAL")
        stream = _Stream(sound)
        for speech in Segmenter(sample_rate=rate).segment(stream):
            step = PIECE_SECONDS * rate * 2
            for at in range(0, len(speech.pcm), step):
                decoder.start_utt()
                decoder.process_raw(speech.pcm[at : at + step], full_utt=True)
                decoder.end_utt()
                _print(decoder, speech.start_time + at / rate / 2)
            say(Line(at=stream.frames / rate))


class _Stream:
    """A WAV file as a stream of bytes for the segmenter."""

    def __init__(self, sound: wave.Wave_read) -> None:
        self._sound = sound
        self._width = sound.getsampwidth()
        self.frames = 0

    def read(self, size: int) -> bytes:
        data = self._sound.readframes(size // self._width)
        self.frames += len(data) // self._width
        return data


def _print(decoder: object, offset: float) -> None:
    for found in decoder.seg():  # type: ignore[attr-defined]
        if not NOT_WORDS.match(found.word):
            start, end = (offset + frame / FRAMES_A_SECOND for frame in (found.start_frame, found.end_frame + 1))
            say(Line(VARIANT.sub("", found.word), start, end, max(0.0, min(1.0, found.prob))))
