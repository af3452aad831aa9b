"""Identifies containers by content, not by name: file suffix and media type of each accepted container."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

# Only containers: playlists and similar formats, which refer to other files or URLs, are not in the list.
FORMATS = (
    "mov,matroska,webm,avi,mpeg,mpegts,flv,asf,ogg,wav,mp3,aac,flac,gif,png_pipe,apng,jpeg_pipe,webp_pipe,aiff,amr,m4v,mxf"
)
PROTOCOLS = "file"
PIXELS_MAX = 8192 * 8192
"""The limit for one picture or frame."""
ATTACHED_PICTURE = 0x400
"""AV_DISPOSITION_ATTACHED_PIC of libavformat: a cover."""
STILLS = ("png_pipe", "jpeg_pipe", "webp_pipe", "heif", "avif", "webp_anim", "apng")
"""Containers of one picture, or of an animated one."""
HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1", b"avif", b"avis"}
"""Major brands of photos in ISO base media files."""


class Kind(NamedTuple):
    """A container: its usual suffix, its media type (IANA), and ffmpeg's muxer ("": never written)."""

    suffix: str
    mime: str
    muxer: str
    aliases: tuple[str, ...] = ()
    """Other correct suffixes."""


MP4 = Kind("mp4", "video/mp4", "mp4", ("m4v", "mov", "3gp", "3g2", "mj2", "qt"))
MOV = Kind("mov", "video/quicktime", "mov", ("mp4", "m4v", "qt"))
MOBILE = Kind("3gp", "video/3gpp", "3gp", ("3g2", "mp4"))
M4A = Kind("m4a", "audio/mp4", "ipod", ("mp4", "m4b", "m4p", "aac", "mov", "3gp"))
KINDS = {
    "matroska,webm": Kind("mkv", "video/x-matroska", "matroska", ("webm", "mka", "mks")),
    "avi": Kind("avi", "video/x-msvideo", "avi"),
    "mpeg": Kind("mpg", "video/mpeg", "mpeg", ("mpeg", "vob", "mp2")),
    "mpegts": Kind("ts", "video/mp2t", "mpegts", ("mts", "m2ts", "m2t")),
    "flv": Kind("flv", "video/x-flv", "flv"),
    "asf": Kind("wmv", "video/x-ms-asf", "asf", ("asf", "wma")),
    "mxf": Kind("mxf", "application/mxf", "mxf"),
    "ogg": Kind("ogg", "audio/ogg", "ogg", ("oga", "ogv", "opus", "spx")),
    "wav": Kind("wav", "audio/wav", "wav", ("wave",)),
    "mp3": Kind("mp3", "audio/mpeg", "mp3", ("mpga",)),
    "aac": Kind("aac", "audio/aac", "adts", ("adts",)),
    "flac": Kind("flac", "audio/flac", "flac"),
    "aiff": Kind("aiff", "audio/aiff", "aiff", ("aif", "aifc")),
    "amr": Kind("amr", "audio/amr", "amr"),
    "gif": Kind("gif", "image/gif", "gif"),
    "png_pipe": Kind("png", "image/png", ""),
    "jpeg_pipe": Kind("jpg", "image/jpeg", "", ("jpeg", "jpe", "jfif")),
    "webp_pipe": Kind("webp", "image/webp", ""),
    "webp_anim": Kind("webp", "image/webp", ""),
    "apng": Kind("png", "image/png", "", ("apng",)),
    "heif": Kind("heic", "image/heic", "", ("heif", "hif")),
    "avif": Kind("avif", "image/avif", "", ("avifs",)),
}
OGV = Kind("ogv", "video/ogg", "ogg", ("ogg",))
WEBM = Kind("webm", "video/webm", "webm", ("mkv",))
WEBM_CODECS = {"vp8", "vp9", "av1", "opus", "vorbis"}
UNKNOWN = Kind("bin", "application/octet-stream", "")


def kind_of(container: str, brand: str, codecs: set[str], *, moving: bool) -> Kind:
    """Return the kind of a file, from its container, its `major_brand`, its codecs, and whether it has video."""
    if container.startswith("mov,mp4"):
        if not moving:
            return M4A
        return MOV if brand == "qt" else MOBILE if brand.startswith("3g") else MP4
    if container == "ogg" and moving:
        return OGV
    if container == "matroska,webm" and codecs <= WEBM_CODECS:
        return WEBM
    return KINDS.get(container, UNKNOWN)


def is_heif(file: Path) -> bool:
    """Return whether the file starts like HEIC, HEIF or AVIF."""
    with file.open("rb") as data:
        head = data.read(12)
    return head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS


def agrees(kind: Kind, suffix: str) -> bool:
    """Return whether a file of this kind may have the suffix; a name without a suffix always fits."""
    return suffix.lower() in ("", kind.suffix, *kind.aliases)
