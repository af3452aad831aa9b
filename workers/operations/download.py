"""`download`: a remote file as a Directus file. The runtime has fetched it; the operation probes, checks and names it."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from workers.context.work import Done, Output
from workers.media import completeness, summary, tracks

if TYPE_CHECKING:
    from chalicelib.domain.params.download import DownloadParams
    from workers.context.work import Work


def run(work: Work) -> Done:
    """Run the operation."""
    params: DownloadParams = work.params
    work.source.check_sha256(params.sha256)
    media = tracks.open_input(work)
    completeness.check(work, work.input, media)
    kind = media.kind
    target = work.folder / f"output.{kind.suffix}"
    work.input.replace(target)
    result = {"sha256": work.source.sha256, "type": kind.mime, "file_name": sensible_name(work.source.name, kind.suffix)}
    return Done([Output(target, target.name, kind.mime)], result | {"host": work.source.host} | summary.describe(media))


def sensible_name(name: str, suffix: str) -> str:
    """Return a file name that is safe to display and store, with the suffix of the content."""
    stem = PurePosixPath(name).stem if PurePosixPath(name).suffix else name
    kept = re.sub(r"[^\w\-. ]+", "_", stem).strip("._ -")[:100]
    return f"{kept or 'media'}.{suffix}"
