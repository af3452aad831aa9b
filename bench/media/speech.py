"""Speech for benchmarks and tests, made offline by eSpeak NG. A synthetic voice is hard to recognise."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import wave
from pathlib import Path

SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS of speak_lib.h
UTF8 = 1
RATE_PARAMETER = 1
WORDS_PER_MINUTE = 140


def synthesise(text: str, target: Path, voice: str = "en-us", words_per_minute: int = WORDS_PER_MINUTE) -> Path:
    """Speak `text` into a WAV file, in a separate process, because the library has global state."""
    command = [sys.executable, "-m", "bench.media.speech", text, str(target), voice, str(words_per_minute)]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2])
    return target


def main() -> None:
    """Speak the first argument into the file of the second, with a voice and a speed."""
    import espeakng_loader  # noqa: PLC0415 - only this process needs it

    text, target, voice, speed = sys.argv[1:]
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    rate = library.espeak_Initialize(SYNCHRONOUS, 0, str(Path(espeakng_loader.get_data_path()).parent).encode(), 0)
    sound = bytearray()
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)

    def arrived(samples: ctypes._Pointer[ctypes.c_short], count: int, events: int) -> int:
        del events
        if samples and count > 0:
            sound.extend(ctypes.string_at(samples, count * 2))
        return 0

    callback = kind(arrived)
    library.espeak_SetSynthCallback(callback)
    library.espeak_SetVoiceByName(voice.encode())
    library.espeak_SetParameter(RATE_PARAMETER, int(speed), 0)
    data = text.encode()
    library.espeak_Synth(data, len(data) + 1, 0, 0, 0, UTF8, None, None)
    library.espeak_Synchronize()
    with wave.open(target, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(bytes(sound))


if __name__ == "__main__":
    main()
