"""`upload`: verifies that a file is what it claims, removes private metadata without encoding, and delivers the file.

Video and audio are copied. Of the tags, an allow-list of descriptive ones stays. Places, devices, people and dates are removed,
and what may contain them: subtitles and data tracks (drones store their route there), attachments, and covers (photos with
metadata of their own).
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from chalicelib.errors import MediaRejected
from workers.context.work import Done, Output
from workers.media import completeness, ffmpeg, images, probe, summary, tracks
from workers.media.formats import Kind, agrees
from workers.privacy import image_metadata, trailing_data, user_data

if TYPE_CHECKING:
    from chalicelib.domain.params.upload import UploadParams
    from workers.context.work import Work
    from workers.media.probe import Media, Stream

PUBLIC_TAGS = ("title", "artist", "album", "album_artist", "composer", "genre", "track", "disc", "copyright")
PICTURE_MAX_BYTES = 256 << 20
WHOLE = 0.9
"""A copy shorter than this share of the declared duration comes from a damaged file."""
TECHNICAL = {"major_brand", "minor_version", "compatible_brands", "encoder"}
"""Tags that describe the container."""
BOTH = ("mov,mp4", "matroska", "ogg", "asf", "mpegts", "mpeg")
"""Containers whose media type is video even if they only have audio."""
CLEANED = 0.6
"""The share of progress for cleaning; the rest is the delivery."""
FASTSTART = ("mp4", "mov", "ipod")


def run(work: Work) -> Done:
    """Run the operation."""
    params: UploadParams = work.params
    work.source.check_sha256(params.sha256)
    media = tracks.open_input(work)
    kind = media.kind
    _verify(work, media, kind)
    target = work.folder / f"output.{kind.suffix}"
    removed = _clean(work, media, kind, target) if params.strip_metadata else _keep(work, media, target)
    known = media.container if media.still and media.container not in images.RENDERED else ""
    made = probe.probe(target, check=work.check, container=known)
    _check_whole(work, media, made)
    result: dict[str, Any] = {"type": kind.mime, "sha256": _sha256(work, target), "removed_tags": removed}
    result["removed_bytes"] = media.bytes - made.bytes
    result["removed_streams"] = media.stream_count - made.stream_count
    result |= {"input_sha256": work.source.sha256, "input_bytes": media.bytes} | summary.describe(made)
    work.progress(CLEANED)
    if params.deliver_url is not None:
        status = work.tools.fetcher.put(
            params.deliver_url,
            target,
            headers={"Content-Type": kind.mime},
            authorization=work.authorization,
            check=work.check,
            seconds=work.seconds_left,
        )
        result["delivered"] = {"host": urlsplit(params.deliver_url).hostname, "status": status}
    return Done([Output(target, target.name, kind.mime)], result)


def _verify(work: Work, media: Media, kind: Kind) -> None:
    suffix = Path(work.source.name).suffix.lstrip(".")
    if not agrees(kind, suffix):
        raise MediaRejected(f"The file is called .{suffix[:10]}, but its content is {kind.mime}")
    claimed, found = (mime.partition("/")[0] for mime in (work.source.mime, kind.mime))
    either = media.container.startswith(BOTH) and claimed in ("audio", "video")  # browsers call every .mp4 video
    if claimed in ("audio", "video", "image") and claimed != found and not either:
        raise MediaRejected(f"The file is declared as {work.source.mime[:60]}, but its content is {kind.mime}")


def _check_whole(work: Work, media: Media, made: Media) -> None:
    """Check that the copied file has content: the copy has only what could be read."""
    moves = not media.still and not _is_picture(media)
    work.warnings.check_length(media.promised(_copied(media)), made.duration)
    if moves and (made.duration <= 0 or made.duration < media.duration * WHOLE - 1):
        raise MediaRejected(f"The file is damaged: of {media.duration:g} s only {made.duration:g} s can be read")


def _is_picture(media: Media) -> bool:
    """Return whether the file is a picture, animated or not, that the image cleaner supports."""
    return media.still or media.container == "gif" or media.container in images.RENDERED


def _copied(media: Media) -> list[Stream]:
    return [one for one in media.streams if one.copyable and not one.attached]


def _keep(work: Work, media: Media, target: Path) -> list[str]:
    completeness.check(work, work.input, media)
    work.input.replace(target)
    return []


def _clean(work: Work, media: Media, kind: Kind, target: Path) -> list[str]:
    """Write the file without private metadata; return the names of the removed tags."""
    if _is_picture(media):
        if media.bytes > PICTURE_MAX_BYTES:
            raise MediaRejected(f"The picture is larger than {PICTURE_MAX_BYTES >> 20} MiB")
        image_metadata.clean(work.input, target, media.container, check=work.check)
        return sorted(media.tags)
    if not kind.muxer:
        raise MediaRejected(f"Files of type {kind.mime} cannot be cleaned; params.strip_metadata must be false")
    kept = {name: text for name, text in media.tags.items() if name.lower() in PUBLIC_TAGS}
    tags = [word for name, text in kept.items() for word in ("-metadata", f"{name.lower()}={_plain(text)}")]
    streams = _copied(media)
    for number, sound in enumerate(one for one in streams if one.kind == "audio"):
        tags += [f"-metadata:s:a:{number}", f"language={sound.language}"] if sound.language else []
    command = [
        *ffmpeg.input_arguments(work.input),
        *[word for one in streams for word in ("-map", f"0:{one.index}")], "-sn", "-dn", "-c", "copy",
        "-map_metadata", "-1", "-map_metadata:s:v", "-1", "-map_metadata:s:a", "-1", "-map_chapters", "-1",
        "-fflags", "+bitexact", *tags,
        *(["-movflags", "+faststart"] if kind.muxer in FASTSTART else []),
        "-max_muxing_queue_size", "4096", "-f", kind.muxer, f"file:{target}",
    ]  # fmt: skip
    ffmpeg.run(work, command, seconds=media.duration, share=(0, CLEANED * 0.8))
    _clean_user_data(work, target, kind)
    if media.container == "mp3" and (cut := trailing_data.cut(target, check=work.check)):
        work.warnings.warn("metadata_dropped", f"{cut} bytes after the end of the audio were removed")
    if media.data_streams:
        listed = ", ".join(sorted(set(media.data_streams)))
        work.warnings.warn("metadata_dropped", f"Streams that may hold private data were removed: {listed}")
    return sorted(name for name in media.tags.keys() - kept.keys() if name.lower() not in TECHNICAL)


def _clean_user_data(work: Work, target: Path, kind: Kind) -> None:
    """Remove private user data from H.264 and HEVC, via another container if this one splits frames."""
    removed = user_data.clean(target, check=work.check)
    if removed is None:
        whole = work.folder / "whole.mkv"
        everything = ["-map", "0", "-c", "copy", "-fflags", "+bitexact"]
        ffmpeg.run(work, [*ffmpeg.input_arguments(target), *everything, "-f", "matroska", f"file:{whole}"])
        removed = user_data.clean(whole, check=work.check)
        ffmpeg.run(work, [*ffmpeg.input_arguments(whole), *everything, "-f", kind.muxer, f"file:{target}"])
        whole.unlink()
    if removed is None:
        work.warnings.warn("metadata_kept", f"User data inside the video may remain: {kind.mime} cannot be cleaned of it")
    elif removed:
        messages = "1 message" if removed == 1 else f"{removed} messages"
        work.warnings.warn("metadata_dropped", f"{messages} of user data were removed from the video")


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def _sha256(work: Work, file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while piece := stream.read(1 << 20):
            work.check()
            digest.update(piece)
    return digest.hexdigest()
