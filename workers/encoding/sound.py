"""Encoders of the sound: codec, bit rate, channels and loudness."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.domain.params.common import bits_per_second
from workers.sound import channels, loudness

if TYPE_CHECKING:
    from chalicelib.domain.params.transcoding import TranscodingParams
    from workers.context.work import Work
    from workers.media.probe import Stream

ENCODERS = {"aac": "aac", "opus": "libopus", "mp3": "libmp3lame", "pcm": "pcm_s16le"}
BITRATE = {"aac": 160_000, "opus": 128_000, "mp3": 192_000}
OPUS_CHANNEL_MAX = 256_000


def encoder(params: TranscodingParams, sound: Stream) -> list[str]:
    """Return the encoder of a stream."""
    codec = params.sound_codec
    assert codec is not None
    layout, _ = channels.target(sound, codec, params.channels)
    rate = []
    if codec in BITRATE:
        bits = bits_per_second(params.audio_bitrate) if params.audio_bitrate else BITRATE[codec]
        if codec == "opus":
            bits = min(bits, OPUS_CHANNEL_MAX * (1 if layout == "mono" else 2))
        rate = ["-b:a", str(bits)]
    if codec == "opus" and layout not in ("mono", "stereo"):
        rate += ["-mapping_family", "1"]
    return ["-c:a", ENCODERS[codec], *rate]


def filters(params: TranscodingParams, sound: Stream, measured: dict[str, float] | None = None) -> list[str]:
    """Return the filters of a stream: the layout of the output, and the loudness. `measured`: its first pass."""
    assert params.sound_codec is not None
    layout, _ = channels.target(sound, params.sound_codec, params.channels)
    steps = channels.filters(sound, layout)
    return steps + loudness.filters(params.loudness, measured) if measured and params.loudness is not None else steps


def warn_of_mixed_channels(work: Work, sound: Stream) -> None:
    """Warn if the format has no layout for the channels of a stream."""
    params: TranscodingParams = work.params
    if params.sound_codec is None:
        return
    layout, mixed = channels.target(sound, params.sound_codec, params.channels)
    if mixed:
        about = f"{sound.channels} channels ({sound.layout or 'no layout'}) were mixed into {layout}"
        work.warnings.warn("channels_mixed", f"The sound's {about}: {params.format} holds no nearer layout")
