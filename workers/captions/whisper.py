"""Recognises speech with faster-whisper and the operator's model. Runs in the sandbox; `main()` prints one word a line."""

from __future__ import annotations

import sys

from workers.captions.lines import Line, say


def main() -> None:
    """Print the words of a WAV file. Arguments, at the end: its path, the language, the model's folder."""
    from faster_whisper import WhisperModel  # noqa: PLC0415 - only this process pays for it

    sound, language, folder = sys.argv[-3:]
    model = WhisperModel(folder, device="auto", compute_type="default", local_files_only=True)
    segments, _ = model.transcribe(sound, language=language.split("-")[0], word_timestamps=True, vad_filter=False)
    for segment in segments:
        for word in segment.words or []:
            say(Line(word.word.strip(), float(word.start), float(word.end), float(word.probability)))
        say(Line(at=float(segment.end)))
