"""Parameters of `transcoding`."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from chalicelib.domain.params.common import (
    AudioTrack,
    Crf,
    Deinterlace,
    Fit,
    Strict,
    VideoRate,
    VideoTrack,
    bits_per_second,
    check_rate,
    meta,
    parse_resolution,
)
from chalicelib.domain.params.streaming import (
    CAPTIONS_MAX,
    CRF_MAX,
    RUNGS_MAX,
    CaptionsLanguage,
    Colour,
    LadderCodec,
    Rung,
    TargetVmaf,
    check_ladder,
)
from chalicelib.domain.validation import FieldError

VIDEO_CODECS = {
    "mp4": ("h264", "h265", "av1"),
    "hls": ("h264", "h265", "av1"),
    "mov": ("h264", "h265"),
    "mkv": ("h264", "h265", "vp9", "av1"),
    "webm": ("vp9", "av1"),
    "gif": (),
    "mp3": (),
    "m4a": (),
    "ogg": (),
    "wav": (),
}
"""Format -> allowed video codecs, the default first."""

AUDIO_CODECS = {
    "mp4": ("aac", "mp3", "opus"),
    "hls": ("aac",),
    "mov": ("aac", "mp3"),
    "mkv": ("aac", "opus", "mp3"),
    "webm": ("opus",),
    "gif": (),
    "mp3": ("mp3",),
    "m4a": ("aac",),
    "ogg": ("opus",),
    "wav": ("pcm",),
}
"""Format -> allowed audio codecs, the default first."""

PICTURE_SIZE = ("resolution", "fit", "upscale")
"""Parameters that the ladder of a package replaces."""
VISUAL_FORMATS = ("mp4", "mov", "mkv", "webm")
"""Formats in which sound can get a picture."""
_QUALITY = "true, false, or full: whether the output is compared with the input; full looks at every frame"
Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"]


class TranscodingParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of `transcoding`."""

    format: Annotated[
        Literal["mp4", "webm", "mkv", "mov", "hls", "mp3", "m4a", "ogg", "wav", "gif"],
        meta("one of mp4, webm, mkv, mov, hls, mp3, m4a, ogg, wav, gif"),
    ] = "mp4"
    codec: (
        Annotated[Literal["h264", "h265", "vp9", "av1"], meta("one of h264, h265, vp9, av1, as the format allows")] | None
    ) = None
    second_codec: LadderCodec | None = None
    ladder: (
        Annotated[
            list[Rung],
            meta(f"a list of 1 to {RUNGS_MAX} renditions with a height and a quality", min_length=1, max_length=RUNGS_MAX),
        ]
        | None
    ) = None
    resolution: (
        Annotated[
            str,
            meta(
                "a height such as 720p or 1080p (144p to 4320p), or WIDTHxHEIGHT such as 1280x720 (16 to 8192 each)",
                pattern=r"^([1-9][0-9]{2,3}p|[1-9][0-9]{1,3}x[1-9][0-9]{1,3})$(?!\n)",
            ),
        ]
        | None
    ) = None
    fit: Fit = "contain"
    upscale: Annotated[bool, meta("true or false: whether a smaller input may be enlarged")] = False
    fps: Annotated[float, meta("a number of frames a second from 1 to 120", ge=1, le=120)] | None = None
    crf: Crf | None = None
    bitrate: VideoRate | None = None
    target_vmaf: TargetVmaf | None = None
    quality: Annotated[bool, meta(_QUALITY)] | Annotated[Literal["full"], meta(_QUALITY)] = False
    preset: Annotated[
        Preset, meta("one of ultrafast ... veryfast, fast, medium, slow ... veryslow, or the name of a preset such as web-720p")
    ] = "medium"
    audio_codec: (
        Annotated[Literal["aac", "opus", "mp3", "none"], meta("one of aac, opus, mp3, none, as the format allows")] | None
    ) = None
    audio_bitrate: (
        Annotated[str, meta("an audio bitrate such as 128k (16k to 512k)", pattern=r"^[0-9]{2,3}k$(?!\n)")] | None
    ) = None
    start: Annotated[float, meta("a number of seconds from 0 to 86400", ge=0, le=86400)] = 0
    duration: Annotated[float, meta("a number of seconds from 0.04 to 86400", ge=0.04, le=86400)] | None = None
    loudness: Annotated[float, meta("an EBU R128 target from -70 to -5 LUFS, usually -23 or -14", ge=-70, le=-5)] | None = None
    strip_metadata: Annotated[bool, meta("true or false: whether titles, places and other tags are dropped")] = False
    channels: Annotated[
        Literal["keep", "stereo", "mono"],
        meta("one of keep (or the nearest layout that the format has), stereo, mono"),
    ] = "keep"
    deinterlace: Deinterlace = "auto"
    captions_file_id: Annotated[UUID, meta("the UUID of a WebVTT, SubRip or JSON file of captions")] | None = None
    captions_language: CaptionsLanguage | None = None
    captions_file_ids: (
        Annotated[
            dict[CaptionsLanguage, UUID],
            meta(
                f"an object of 1 to {CAPTIONS_MAX} languages, each with the UUID of a file of captions",
                min_length=1,
                max_length=CAPTIONS_MAX,
            ),
        ]
        | None
    ) = None
    burn_in: Annotated[bool, meta("true or false: whether captions are drawn into the picture")] = False
    thumbnails: Annotated[bool, meta("true or false: whether a package has a sheet of thumbnails")] = True
    visual: Annotated[Literal["waveform", "cover"], meta("one of waveform, cover: the picture of a sound")] | None = None
    waveform_color: Colour | None = None
    background_color: Colour | None = None
    video_track: VideoTrack | None = None
    audio_track: AudioTrack | None = None
    parts: Annotated[bool, meta("true or false: whether several workers may encode a long film together, in parts")] = True
    strict: Strict = False

    def __post_init__(self) -> None:
        """Check fields that depend on each other."""
        self._check_video()
        self._check_audio()
        self._check_captions()
        self._check_package()
        self._check_quality()
        self._check_visual()
        if self.resolution is not None:
            parse_resolution(self.resolution)
        if self.fit != "contain" and "x" not in (self.resolution or ""):
            raise FieldError("fit", "contain unless resolution is WIDTHxHEIGHT: a height alone is no box to fill")

    def _check_video(self) -> None:
        codecs = VIDEO_CODECS[self.format]
        if self.codec is not None and self.codec not in codecs:
            wants = f"one of {', '.join(codecs)}" if codecs else "absent"
            raise FieldError("codec", f"{wants} when format is {self.format}")
        codec = self.video_codec
        if codec is None:
            for name in ("crf", "bitrate") if self.format == "gif" else ("crf", "bitrate", "resolution", "fps"):
                if getattr(self, name) is not None:
                    raise FieldError(name, f"absent when format is {self.format}")
            return
        if self.crf is not None and self.crf > CRF_MAX[codec]:
            raise FieldError("crf", f"an integer from 0 to {CRF_MAX[codec]} when codec is {codec}")
        if self.bitrate is not None:
            if self.crf is not None:
                raise FieldError("bitrate", "absent when crf is given: use only one of them")
            check_rate(self.bitrate)

    def _check_audio(self) -> None:
        codecs = AUDIO_CODECS[self.format]
        if self.audio_codec == "none" and not VIDEO_CODECS[self.format] and codecs:
            raise FieldError("audio_codec", f"{codecs[0]} when format is {self.format}: it holds nothing else")
        if self.audio_codec not in (None, "none") and self.audio_codec not in codecs:
            wants = f"one of {', '.join(codecs)}, none" if codecs else "none"
            raise FieldError("audio_codec", f"{wants} when format is {self.format}")
        if self.audio_bitrate is not None:
            if not 16_000 <= bits_per_second(self.audio_bitrate) <= 512_000:  # noqa: PLR2004 - said in the message
                raise FieldError("audio_bitrate", "an audio bitrate such as 128k (16k to 512k)")
            if self.sound_codec in (None, "pcm"):
                raise FieldError("audio_bitrate", f"absent when format is {self.format}")
        if self.channels != "keep" and self.sound_codec is None:
            raise FieldError("channels", "keep when there is no sound")
        if self.loudness is not None and self.sound_codec is None:
            raise FieldError("loudness", "absent when there is no sound")

    def _check_captions(self) -> None:
        if self.captions_file_ids is not None and self.format != "hls":
            raise FieldError("captions_file_ids", "absent unless format is hls")
        if self.captions_file_ids is not None and self.captions_file_id is not None and not self.burn_in:
            raise FieldError("captions_file_ids", "absent when captions_file_id is given, unless burn_in is true")
        if self.captions_file_id is None:
            for name in ("captions_language", "burn_in"):
                if getattr(self, name):
                    raise FieldError(name, "absent without captions_file_id")
            return
        if self.format == "gif" and not self.burn_in:
            raise FieldError("burn_in", "true when format is gif: it holds no caption track")
        if not VIDEO_CODECS[self.format] and self.format != "gif":
            raise FieldError("captions_file_id", f"absent when format is {self.format}")

    def _check_package(self) -> None:
        if self.format != "hls":
            for name in ("second_codec", "ladder"):
                if getattr(self, name) is not None:
                    raise FieldError(name, "absent unless format is hls")
            return
        if self.second_codec is not None and self.second_codec == self.video_codec:
            raise FieldError("second_codec", "another codec than the first one")
        for name in (*PICTURE_SIZE, "bitrate"):
            if getattr(self, name) != DEFAULTS[name]:
                raise FieldError(name, "absent when format is hls: name heights and rates in ladder")
        if self.fps is not None and self.fps > PACKAGE_FPS_MAX:
            raise FieldError("fps", f"a number of frames a second from 1 to {PACKAGE_FPS_MAX} when format is hls")
        codecs = [codec for codec in (self.video_codec, self.second_codec) if codec]
        most = min(CRF_MAX[codec] for codec in codecs)
        if self.crf is not None and self.crf > most:
            raise FieldError("crf", f"an integer from 0 to {most} when codecs are {' and '.join(codecs)}")
        check_ladder(self.ladder or [], codecs)

    def _check_quality(self) -> None:
        if self.target_vmaf is None and not self.quality:
            return
        if self.video_codec is None:
            raise FieldError("quality" if self.quality else "target_vmaf", f"absent when format is {self.format}")
        for name in ("crf", "bitrate"):
            if self.target_vmaf is not None and getattr(self, name) is not None:
                raise FieldError("target_vmaf", f"absent when {name} is given: use only one of them")

    def _check_visual(self) -> None:
        if self.visual is not None and self.format not in VISUAL_FORMATS:
            raise FieldError("visual", f"absent unless format is one of {', '.join(VISUAL_FORMATS)}")
        if self.visual is not None and self.sound_codec is None:
            raise FieldError("visual", "absent when there is no sound")
        for name in ("quality", "target_vmaf", "fit", "deinterlace"):
            if self.visual is not None and getattr(self, name) != DEFAULTS[name]:
                raise FieldError(name, "absent when visual is given")
        for name in ("waveform_color", "background_color"):
            if getattr(self, name) is not None and self.visual is None:
                raise FieldError(name, "absent without visual")

    @property
    def video_codec(self) -> str | None:
        """The video codec; None if the format has no choice."""
        codecs = VIDEO_CODECS[self.format]
        return self.codec or (codecs[0] if codecs else None)

    @property
    def sound_codec(self) -> str | None:
        """The audio codec; None if the output has no audio."""
        codecs = AUDIO_CODECS[self.format]
        if self.audio_codec == "none" or not codecs:
            return None
        return self.audio_codec or codecs[0]


DEFAULTS: dict[str, object] = {"resolution": None, "fit": "contain", "upscale": False, "bitrate": None}
DEFAULTS |= {"quality": False, "target_vmaf": None, "deinterlace": "auto"}
PACKAGE_FPS_MAX = 60
