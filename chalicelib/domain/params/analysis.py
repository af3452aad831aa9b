"""Parameters of `analysis`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from chalicelib.domain.params.common import AudioTrack, Strict, VideoTrack, meta

TRANSCRIPT_MAX = 50_000


class AnalysisParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of `analysis`."""

    transcript: (
        Annotated[str, meta(f"the text that is spoken, at most {TRANSCRIPT_MAX} characters", max_length=TRANSCRIPT_MAX)] | None
    ) = None
    silence_below: Annotated[float, meta("a number of dB from -90 to -10: quieter is silence", ge=-90, le=-10)] = -50
    silence_seconds: Annotated[float, meta("a number of seconds from 0.1 to 60", ge=0.1, le=60)] = 1
    black_seconds: Annotated[float, meta("a number of seconds from 0.04 to 60", ge=0.04, le=60)] = 0.5
    scene_threshold: Annotated[float, meta("a number from 1 to 100 per cent of change", ge=1, le=100)] = 10
    video_track: VideoTrack | None = None
    audio_track: AudioTrack | None = None
    strict: Strict = False
