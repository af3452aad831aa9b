"""Films of every kind that cutting could damage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import inputs
from tests.media import run_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SECONDS = 5
PICTURE = ("-f", "lavfi", "-i", f"testsrc2=s=160x90:r=25:d={SECONDS}")
NOISE = "noise=alls=20:allf=t"
IRREGULAR = "select='not(mod(n,3))+gt(mod(n,50),30)',setpts='PTS+0.012*random(1)/TB+1.5*gt(N,40)/TB'"
ANY_TIMES = ("-fps_mode", "passthrough", "-enc_time_base", "1/90000")


def made(*arguments: str, suffix: str = "mp4") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        target = folder / f"film.{suffix}"
        run_ffmpeg(*PICTURE, "-vf", NOISE, *arguments, target)
        return target

    return make


def with_sound(*arguments: str, suffix: str = "mp4") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        target = folder / f"film.{suffix}"
        tone = ["-f", "lavfi", "-i", f"aevalsrc=0.1*sin(440*t*(1+t/9)):d={SECONDS}"]
        run_ffmpeg(*PICTURE, *tone, *inputs.H264, "-g", "12", *arguments, target)
        return target

    return make


def late_sound(folder: Path) -> Path:
    """The picture starts half a second after the sound."""
    plain = with_sound()(folder)
    target = folder / "late.mkv"
    run_ffmpeg("-itsoffset", "0.5", "-i", plain, "-i", plain, "-map", "0:v", "-map", "1:a", "-c", "copy", target)
    return target


def edited(folder: Path) -> Path:
    """Cut without encoding: the frames before the start are in the file, and an edit list hides them."""
    plain = with_sound("-bf", "3", "-preset", "medium")(folder)
    target = folder / "edited.mp4"
    run_ffmpeg("-ss", "0.8", "-i", plain, "-t", "3.5", "-c", "copy", target)
    return target


def ended_early(folder: Path) -> Path:
    """The edit list hides the frames after the end, as phones write it for a film that is trimmed."""
    target = with_sound("-bf", "3", "-preset", "medium")(folder)
    data = bytearray(target.read_bytes())
    units = int.from_bytes(data[data.index(b"mvhd") + 16 :][:4])
    place = data.index(b"elst") + 12  # after the version and the number of entries
    data[place : place + 4] = (units * (SECONDS - 1)).to_bytes(4)
    target.write_bytes(data)
    return target


def started_later(folder: Path) -> Path:
    plain = with_sound("-bf", "3", "-preset", "medium", suffix="mkv")(folder)
    target = folder / "later.mkv"
    run_ffmpeg("-i", plain, "-c", "copy", "-output_ts_offset", "7.3", target)
    return target


def negative(folder: Path) -> Path:
    """The first times are before zero."""
    plain = with_sound("-bf", "3", "-preset", "medium", suffix="mkv")(folder)
    target = folder / "negative.mov"
    run_ffmpeg("-i", plain, "-c", "copy", "-output_ts_offset", "-0.4", "-avoid_negative_ts", "disabled", target)
    return target


def interlaced(folder: Path) -> Path:
    target = folder / "film.mkv"
    picture = ["-f", "lavfi", "-i", f"testsrc2=s=160x120:r=50:d={SECONDS}"]
    lined = ["-vf", "tinterlace=interleave_top,fieldorder=tff", "-flags", "+ilme+ildct", "-c:v", "mpeg2video", "-b:v", "3M"]
    run_ffmpeg(*picture, *lined, "-g", "15", target)
    return target


def broken(folder: Path) -> Path:
    """A group of pictures in the middle has damaged packets."""
    plain = made(*inputs.H264, "-preset", "medium", "-g", "12", "-sc_threshold", "0", suffix="mkv")(folder)
    target = folder / "broken.mkv"
    run_ffmpeg("-i", plain, "-c", "copy", "-bsf:v", "noise=amount='100*between(n,62,69)'", target)
    return target


def unreadable(folder: Path) -> Path:
    """Nothing can be decoded of two groups of pictures in the middle."""
    plain = made(*inputs.H264, "-g", "12", "-sc_threshold", "0", suffix="mkv")(folder)
    target = folder / "unreadable.mkv"
    run_ffmpeg("-i", plain, "-c", "copy", "-bsf:v", "noise=amount='between(n,48,71)'", target)
    return target


def without_durations(folder: Path) -> Path:
    """Written live: the file states no duration, neither its own nor those of its frames."""
    plain = made(*inputs.H264, "-g", "12", suffix="mkv")(folder)
    target = folder / "live.mkv"
    run_ffmpeg("-i", plain, "-c", "copy", "-live", "1", target)
    return target


H264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p")
HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-pix_fmt", "yuv420p")
FILMS: dict[str, Callable[[Path], Path]] = {
    "h264 closed": made(*H264, "-g", "12", "-bf", "3"),
    "h264 open": made(*H264, "-x264-params", "keyint=12:open-gop=1:bframes=3"),
    "h264 open mkv": made(*H264, "-x264-params", "keyint=12:open-gop=1:bframes=3", suffix="mkv"),
    "h264 refresh": made(*H264, "-x264-params", "keyint=12:intra-refresh=1", suffix="mkv"),
    "hevc closed": made(*HEVC, "-x265-params", "keyint=12:open-gop=0:log-level=none"),
    "hevc open": made(*HEVC, "-x265-params", "keyint=12:open-gop=1:bframes=4:log-level=none"),
    "hevc open variable": made(*HEVC, "-x265-params", "keyint=12:bframes=4:log-level=none", "-vf", IRREGULAR, *ANY_TIMES),
    "vp9": made("-c:v", "libvpx-vp9", "-b:v", "300k", "-g", "12", "-deadline", "realtime", "-cpu-used", "8", suffix="webm"),
    "av1": made("-c:v", "libsvtav1", "-preset", "12", "-g", "12", "-svtav1-params", "lp=2", suffix="mp4"),
    "mpeg2": made("-c:v", "mpeg2video", "-bf", "2", "-g", "12", "-b:v", "2M", suffix="mkv"),
    "mpeg4": made("-c:v", "mpeg4", "-bf", "2", "-g", "12", "-b:v", "1M", suffix="mov"),
    "prores": made("-c:v", "prores_ks", suffix="mov"),
    "variable": made(*H264, "-g", "12", "-bf", "3", "-vf", IRREGULAR, *ANY_TIMES),
    "variable mkv": made(*H264, "-g", "12", "-bf", "3", "-vf", IRREGULAR, *ANY_TIMES, suffix="mkv"),
    "ntsc": made(*H264, "-g", "12", "-r", "30000/1001", suffix="mkv"),
    "interlaced": interlaced,
    "edit list": edited,
    "edit list end": ended_early,
    "late sound": late_sound,
    "starts later": started_later,
    "negative times": negative,
    "broken": broken,
    "no durations": without_durations,
}
"""Kind -> what makes it."""
