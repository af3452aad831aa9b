"""One job from end to end on the real Directus, with the integration example of the published API."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import av
import requests

from infra.local.directus import accounts, seed
from tests.integration.conftest import EXAMPLE, QUICK, run_example, until

if TYPE_CHECKING:
    from tests.integration.conftest import System


def test_upload_record_enqueue_poll_download(real_system: System, clip: Path, tmp_path: Path) -> None:
    app, seen = real_system.app, []
    file_id = app.upload(clip)
    params = {"format": "mp4", "codec": "h264", "resolution": "144p", "preset": "veryfast"}
    job_id = app.create_record("transcoding", file_id, params=params)
    before = real_system.stats()
    answer = app.enqueue(job_id, "transcoding", input_file_id=file_id, params=params, priority=5)
    assert answer.json()["jobId"] == job_id
    record = app.wait(job_id, 60, watch=lambda reading: seen.append(reading["status"]))
    assert record["status"] == "completed", record["error"]
    assert (record["attempts"], record["progress"], record["error"]) == (1, 100, None)
    assert record["started_at"] < record["finished_at"]
    until(lambda: real_system.stats()["completed"] == before["completed"] + 1, 5, "counted")

    app.download(record["output_file_id"], tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as media:
        video, audio = media.streams.video[0], media.streams.audio[0]
        assert (video.codec_context.codec.canonical_name, video.width, video.height) == ("h264", 192, 144)
        assert audio.codec_context.codec.canonical_name == "aac"
        assert abs(media.duration / av.time_base - 2) < 1 / 25
        assert sum(1 for _ in media.decode(video=0)) == 50
    result = record["result"]
    assert (result["width"], result["height"], result["video_codec"], result["audio_codec"]) == (192, 144, "h264", "aac")
    assert result["bytes"] == (tmp_path / "out.mp4").stat().st_size
    assert result["input_bytes"] == clip.stat().st_size
    assert result["seconds"] > 0
    assert result["speed"] > 0
    assert set(result["stages"]) == {"fetch", "process", "upload"}
    file = real_system.admin("GET", f"/files/{record['output_file_id']}")
    assert (file["title"], file["filename_download"], file["type"]) == (f"{job_id}/output.mp4", "clip.mp4", "video/mp4")
    assert _faststart(tmp_path / "out.mp4")


def test_bad_media_fails_at_once_with_a_sentence(real_system: System, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"this is no film" * 1000)
    record = real_system.app.wait(real_system.submit(tmp_path / "bad.mp4"), 30)
    assert (record["status"], record["attempts"]) == ("failed", 1)
    assert record["error"] == "The input is not a media file that can be read"
    assert record["finished_at"]


def test_completed_is_a_conflict_and_failed_starts_anew(real_system: System, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no film")
    job_id = real_system.submit(tmp_path / "bad.mp4")
    first = real_system.app.wait(job_id, 30)
    assert first["status"] == "failed"
    until(lambda: real_system.ledger.stats().active == 0, 5, "closed in the ledger")
    good = real_system.app.upload(clip)
    answer = real_system.app.enqueue(job_id, "transcoding", input_file_id=good, params=QUICK)
    assert answer.status_code == 200, answer.text
    assert real_system.app.wait(job_id, 30)["status"] == "completed"
    assert real_system.app.enqueue(job_id, "transcoding").status_code == 409


def test_a_flow_of_directus_voids_the_taxonomy_cache(real_system: System) -> None:
    from chalicelib.directus.client import Directus
    from chalicelib.usecases.taxonomy import Taxonomy

    directus = Directus(real_system.stack.url("directus"), accounts.SERVICE_TOKEN, 10)
    taxonomy = Taxonomy(real_system.scripts, directus, 3600)
    before = {term["name"] for term in taxonomy.terms()}
    assert "Blues" not in before
    term = {"name": "Blues", "slug": "blues", "kind": "genre"}
    key = real_system.admin("POST", "/items/taxonomy_terms", json=term)["id"]
    until(lambda: "Blues" in {one["name"] for one in taxonomy.terms()}, 10, "created")
    real_system.admin("PATCH", f"/items/taxonomy_terms/{key}", json={"name": "Delta Blues"})
    until(lambda: "Delta Blues" in {one["name"] for one in taxonomy.terms()}, 10, "updated")
    real_system.admin("DELETE", f"/items/taxonomy_terms/{key}")
    until(lambda: {one["name"] for one in taxonomy.terms()} == before, 10, "deleted")
    figures = requests.get(f"{real_system.stack.url('api')}/api/queue/stats", timeout=5).json()["taxonomy_cache"]
    assert figures["size"] == len(before)
    assert figures["misses"] >= 4


def test_a_flow_of_directus_enqueues_what_is_made(real_system: System, clip: Path, tmp_path: Path) -> None:
    """The option for clients that make a record and call nothing: it runs, or says in the record why it does not."""
    seed.enqueue_by_flow(real_system.stack.url("directus"), real_system.stack.url("api"))
    try:
        file_id = real_system.app.upload(clip)
        good = real_system.app.create_record("thumbnail", file_id, params={"width": 80}, priority=3)
        record = real_system.app.wait(good, 60)
        assert (record["status"], record["result"]["width"]) == ("completed", 80)
        wrong = real_system.app.create_record("thumbnail", file_id, params={"width": "wide"})
        record = real_system.app.wait(wrong, 20)
        assert record["status"] == "failed"
        assert record["error"].startswith("params.width ")
        both = real_system.app.create_record("thumbnail", file_id, params={"width": 96})
        assert real_system.app.enqueue(both, "thumbnail", params={"width": 96}).status_code == 200
        assert real_system.app.wait(both, 60)["status"] == "completed"
    finally:
        for flow in real_system.admin("GET", f"/flows?filter[name][_eq]={seed.CREATED_FLOW}&fields=id"):
            real_system.admin("DELETE", f"/flows/{flow['id']}")


def test_the_javascript_example_of_the_spec(real_system: System, clip: Path) -> None:
    output = run_example(real_system.stack.url("directus"), real_system.stack.url("api"), real_system.token, clip)
    assert real_system.admin("GET", f"/files/{output}")["type"] == "video/mp4"


def test_the_example_is_the_spec_s() -> None:
    """The addresses that are replaced are in it as published: a replacement that finds nothing would say nothing."""
    text = EXAMPLE.read_text()
    assert "http://127.0.0.1:8055/files" in text
    assert "http://localhost:3001/api/queue/media" in text


def _faststart(file: Path) -> bool:
    data = file.read_bytes()
    return data.index(b"moov") < data.index(b"mdat")
