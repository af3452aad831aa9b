"""`target_vmaf`: how near it lands, how many bytes it saves against a fixed crf, and the time it takes."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.media import contents
from bench.media.thumbnails import make_tools
from chalicelib.domain.params.transcoding import TranscodingParams
from chalicelib.domain.validation import validate
from workers.context.work import Work
from workers.operations import transcoding

if TYPE_CHECKING:
    from bench import Figures

TARGET = 93
CLOSE = 1.0


def run() -> Figures:
    """Encode every film for the target; then all of them with the crf that the hardest one needs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        films = contents.make_all(folder)
        aimed = {film: _transcode(file, folder, target_vmaf=TARGET) for film, file in films.items()}
        crf = min(result["target_vmaf"]["crf"] for result in aimed.values())
        fixed = {film: _transcode(file, folder, crf=round(crf)) for film, file in films.items()}
    reached = {film: round(result["quality"]["vmaf"]["mean"], 2) for film, result in aimed.items()}
    bytes_aimed, bytes_fixed = (sum(one["bytes"] for one in side.values()) for side in (aimed, fixed))
    return {
        "target_vmaf_reached": reached,
        "target_vmaf_predicted": {film: result["target_vmaf"]["predicted"] for film, result in aimed.items()},
        "target_vmaf_crf": {film: result["target_vmaf"]["crf"] for film, result in aimed.items()},
        "target_vmaf_probes": {film: len(result["target_vmaf"]["probes"]) for film, result in aimed.items()},
        "target_vmaf": {
            "target": TARGET,
            "films": len(reached),
            "within 1.0": sum(abs(vmaf - TARGET) <= CLOSE for vmaf in reached.values()),
            "mean error": round(sum(abs(vmaf - TARGET) for vmaf in reached.values()) / len(reached), 2),
            "crf fixed": round(crf),
            "lowest vmaf with the target": min(reached.values()),
            "lowest vmaf with the fixed crf": round(min(one["quality"]["vmaf"]["mean"] for one in fixed.values()), 2),
            "bytes against the fixed crf": round(bytes_aimed / bytes_fixed, 3),
            "time against the fixed crf": round(
                sum(one["took"] for one in aimed.values()) / sum(one["took"] for one in fixed.values()), 2
            ),
        },
    }


def _transcode(film: Path, folder: Path, **params: Any) -> dict[str, Any]:
    """Return the result, with the seconds that it took without the final comparison."""
    out = Path(tempfile.mkdtemp(dir=folder))
    checked = validate({"quality": "full", **params}, TranscodingParams, "params")
    started = time.monotonic()
    work = Work(checked, film, out, started + 3600, make_tools(folder))
    result = transcoding.run(work).result
    return result | {"took": time.monotonic() - started - result["quality"]["seconds"]}
