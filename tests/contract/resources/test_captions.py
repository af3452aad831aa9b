"""`/captions`: made in one call, read in every format, corrected, deleted; for their owner alone."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
import webvtt

from chalicelib.domain.captions import formats
from chalicelib.domain.captions.cues import Cue, Word
from chalicelib.errors import DirectusUnavailable
from infra.local.directus import accounts
from tests.conftest import PREFIX

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from tests.contract.conftest import Api

CUES = [Cue(0, 1000, ("Hello",), (Word("Hello", 0, 900, 0.4),)), Cue(2000, 4000, ("you", "there"))]
CORRECTED = {
    "cues": [{"start": 0, "end": 1.5, "lines": ["Hallo"]}, {"start": 2, "end": 4, "lines": ["du da"]}],
    "language": "de",
}
VTT = "WEBVTT\n\n00:00.000 --> 00:01.500\nHallo\n\n00:02.000 --> 00:04.000\ndu da\n"


def call(api: Api, method: str, path: str, tier: str = "enterprise", **request: Any) -> TestResponse:
    token = request.pop("token", api.backends.tokens[tier])
    return api.call(method, path, token, base="/api/captions", **request)


def completed(api: Api, kinds: tuple[str, ...] = ("vtt", "json"), tier: str = "enterprise", **values: Any) -> str:
    """A finished job of caption_generation, as a worker leaves it."""
    job = api.record(tier, operation="caption_generation")
    outputs = []
    for kind in kinds:
        text = formats.WRITERS[kind](CUES, "en")
        file = api.directus(
            "POST",
            "/files",
            accounts.SERVICE_TOKEN,
            files={"title": (None, f"{job}/output.{kind}"), "file": (f"clip.{kind}", text.encode(), formats.MIME[kind])},
        )
        outputs.append({"name": f"output.{kind}", "file_id": file["id"], "type": formats.MIME[kind], "bytes": len(text)})
    row = {"status": "completed", "output_file_id": outputs[0]["file_id"], "progress": 100}
    result = {"outputs": outputs, "language": "en", "cues": 2, "words": [["Hello", 0, 0.9, 0.4]]}
    api.directus("PATCH", f"/items/media_jobs/{job}", json={**row, "result": result, **values})
    return job


class TestCreate:
    def test_one_call_makes_a_record_and_a_job(self, api: Api) -> None:
        file = api.file()
        body = {"input_file_id": file, "formats": ["srt"], "style": {"max_lines": 1}, "vocabulary": ["Ada"], "priority": 3}
        answer = call(api, "POST", "", json=body)
        assert answer.status_code == 200, answer.json
        record = api.directus("GET", f"/items/media_jobs/{answer.json['jobId']}")
        assert (record["operation"], record["status"], record["input_file_id"]) == ("caption_generation", "pending", file)
        assert record["user_created"] == api.user_id("enterprise")
        assert (record["params"]["formats"], record["params"]["max_lines"]) == (["srt", "json"], 1)
        assert api.call("GET", "/stats").json["stats"]["waiting"] == 1
        state = call(api, "GET", f"/{answer.json['jobId']}").json
        assert (state["state"], state["cues"], state["version"]) == ("waiting", None, 1)

    @pytest.mark.parametrize(
        ("body", "says"),
        [
            ({}, "input_file_id must be given, or input_url"),
            (
                {"input_file_id": str(uuid.uuid4()), "input_url": "https://a.example/"},
                "input_file_id must be given, or input_url",
            ),
            ({"input_url": "ftp://a.example/"}, "input_url must be an http or https URL"),
            ({"input_url": "https://a.example/", "formats": ["doc"]}, "formats must be a list of vtt"),
            ({"input_url": "https://a.example/", "formats": ["vtt", "vtt"]}, "formats must be a list of vtt"),
            ({"input_url": "https://a.example/", "language": "English"}, "language must be a language tag"),
            ({"input_url": "https://a.example/", "style": {"max_lines": 9}}, "style.max_lines must be an integer from 1 to 4"),
            ({"input_url": "https://a.example/", "style": {"lines": 2}}, "style.lines is not a parameter"),
            ({"input_url": "https://a.example/", "colour": "red"}, "colour is not a parameter"),
        ],
    )
    def test_a_wrong_body_creates_nothing(self, api: Api, body: dict[str, Any], says: str) -> None:
        before = len(api.directus("GET", "/items/media_jobs?limit=-1&fields=id"))
        answer = call(api, "POST", "", json=body)
        assert answer.status_code == 400
        assert says in answer.json["error"]
        assert len(api.directus("GET", "/items/media_jobs?limit=-1&fields=id")) == before

    def test_a_job_that_is_refused_leaves_a_failed_record_with_the_reason(self, api: Api) -> None:
        answer = call(api, "POST", "", json={"input_file_id": api.file("pro")})
        assert answer.status_code == 404
        [record] = api.directus(
            "GET", f"/items/media_jobs?filter[user_created][_eq]={api.user_id('enterprise')}&sort=-date_created&limit=1"
        )
        assert (record["status"], record["error"]) == ("failed", "input_file_id must be the id of one of your files")
        assert api.call("GET", "/stats").json["stats"]["waiting"] == 0

    def test_a_user_who_may_not_create_records(self, api: Api) -> None:
        _, token = api.new_user(role="Visitor")
        answer = call(api, "POST", "", json={"input_url": "https://a.example/"}, token=token)
        assert answer.status_code == 403
        assert "Directus does not let you create this record" in answer.json["error"]

    def test_without_a_token(self, api: Api) -> None:
        assert api.call("POST", "", base="/api/captions", json={"input_url": "https://a.example/"}).status_code == 401


class TestRead:
    def test_as_json(self, api: Api) -> None:
        answer = call(api, "GET", f"/{completed(api)}").json
        assert (answer["state"], answer["language"], answer["version"], answer["versions"]) == ("completed", "en", 1, [])
        assert [cue["lines"] for cue in answer["cues"]] == [["Hello"], ["you", "there"]]
        assert answer["cues"][0]["words"] == [{"text": "Hello", "start": 0.0, "end": 0.9, "confidence": 0.4, "check": True}]
        assert set(answer["files"]) == {"vtt", "json"}

    def test_a_very_long_film_has_no_words(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("chalicelib.usecases.captions.WORDS_MAX", 0)
        answer = call(api, "GET", f"/{completed(api)}").json
        assert [(cue["lines"], "words" in cue) for cue in answer["cues"]] == [(["Hello"], False), (["you", "there"], False)]

    @pytest.mark.parametrize("kind", formats.WRITERS)
    def test_as_a_file_of_any_format(self, api: Api, kind: str) -> None:
        answer = call(api, "GET", f"/{completed(api, ('vtt',))}.{kind}")
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, f"{formats.MIME[kind]}; charset=utf-8")
        assert answer.text == formats.WRITERS[kind]([Cue(one.start_ms, one.end_ms, one.lines) for one in CUES], "en")

    def test_of_other_people_unknown_or_of_another_kind(self, api: Api) -> None:
        job = completed(api)
        assert call(api, "GET", f"/{job}", "pro").status_code == 404
        assert call(api, "GET", f"/{job}.vtt", "pro").status_code == 404
        assert call(api, "GET", f"/{job}", token=accounts.ADMIN_TOKEN).status_code == 200
        assert call(api, "GET", f"/{uuid.uuid4()}").status_code == 404
        assert call(api, "GET", "/nonsense.vtt").status_code == 400
        assert call(api, "GET", f"/{job}.doc").status_code == 404
        assert "caption_generation" in call(api, "GET", f"/{api.record()}").json["error"]
        assert call(api, "GET", f"/{api.record(operation='caption_generation')}.vtt").status_code == 409

    def test_a_record_that_names_another_file_shows_it_to_nobody(self, api: Api) -> None:
        """The owner can write any id into `result`; our service token could read it."""
        text = formats.vtt(CUES, "en").encode()
        foreign = api.directus("POST", "/files", api.backends.tokens["pro"], files={"file": ("a.vtt", text, "text/vtt")})
        result = {"outputs": [{"name": "output.vtt", "file_id": foreign["id"], "type": "text/vtt"}]}
        job = completed(api, result=result)
        assert call(api, "GET", f"/{job}").status_code == 404
        assert call(api, "PUT", f"/{job}", json=CORRECTED).status_code == 404
        assert call(api, "DELETE", f"/{job}").status_code == 200
        assert api.directus("GET", f"/files/{foreign['id']}")["id"] == foreign["id"]

    @pytest.mark.parametrize("result", [{"outputs": 5}, {"outputs": [{"name": 1}]}, {"versions": "x"}, "text", 5, []], ids=str)
    def test_a_result_of_any_form_is_an_error_of_the_client(self, api: Api, result: Any) -> None:
        job = completed(api, result=result)
        for method, request in (("GET", {}), ("PUT", {"json": CORRECTED}), ("DELETE", {})):
            assert call(api, method, f"/{job}", **request).status_code in (200, 404, 409)


class TestReplace:
    def test_a_correction_is_a_new_version_and_the_old_one_stays(self, api: Api) -> None:
        job = completed(api)
        first = call(api, "GET", f"/{job}").json["files"]
        answer = call(api, "PUT", f"/{job}", json=CORRECTED).json
        assert (answer["version"], answer["warnings"], set(answer["files"])) == (2, [], {"vtt", "json"})
        now = call(api, "GET", f"/{job}").json
        assert ([cue["lines"] for cue in now["cues"]], now["language"]) == ([["Hallo"], ["du da"]], "de")
        assert (now["files"], now["versions"][0]["files"]) == (answer["files"], first)
        record = api.directus("GET", f"/items/media_jobs/{job}")
        assert record["output_file_id"] == answer["files"]["vtt"]
        assert [one["file_id"] for one in record["result"]["outputs"]] == list(answer["files"].values())
        for file_id in (*first.values(), *answer["files"].values()):
            assert f"{job}/" in api.directus("GET", f"/files/{file_id}")["title"]
        owners = {api.directus("GET", f"/files/{file_id}")["uploaded_by"] for file_id in answer["files"].values()}
        assert owners == {api.user_id("enterprise")}

    @pytest.mark.parametrize(
        ("kind", "body"), [("text/vtt", VTT), ("application/x-subrip", VTT.removeprefix("WEBVTT\n\n")), ("text/plain", VTT)]
    )
    def test_a_file_may_be_sent(self, api: Api, kind: str, body: str) -> None:
        job = completed(api)
        answer = call(api, "PUT", f"/{job}", data=body.encode(), headers={"Content-Type": kind})
        assert answer.status_code == 200, answer.json
        text = call(api, "GET", f"/{job}.vtt").text
        assert [cue.text for cue in webvtt.from_string(text)] == ["Hallo", "du da"]

    @pytest.mark.parametrize(
        ("body", "says"),
        [
            ({"cues": [{"start": 2, "end": 1, "lines": ["a"]}]}, "Cue 1 must end after it starts"),
            (
                {"cues": [{"start": 0, "end": 3, "lines": ["a"]}, {"start": 2, "end": 4, "lines": ["b"]}]},
                "Cue 2 must start after",
            ),
            ({"cues": 5}, "The captions are not valid"),
        ],
    )
    def test_wrong_cues_change_nothing(self, api: Api, body: dict[str, Any], says: str) -> None:
        job = completed(api)
        answer = call(api, "PUT", f"/{job}", json=body)
        assert answer.status_code == 400
        assert says in answer.json["error"]
        assert call(api, "GET", f"/{job}").json["version"] == 1

    def test_what_exceeds_the_limits_is_stored_with_warnings(self, api: Api) -> None:
        cues = {"cues": [{"start": 0, "end": 0.5, "lines": ["x" * 50]}]}
        answer = call(api, "PUT", f"/{completed(api)}", json=cues).json
        assert [one["code"] for one in answer["warnings"]] == ["line_length", "reading_speed", "duration"]

    def test_a_correction_of_an_older_version_is_refused(self, api: Api) -> None:
        job = completed(api)
        assert call(api, "PUT", f"/{job}", json=CORRECTED, headers={"If-Match": "1"}).status_code == 200
        answer = call(api, "PUT", f"/{job}", json=CORRECTED, headers={"If-Match": "1"})
        assert (answer.status_code, answer.json["error"]) == (409, "The captions were changed meanwhile: read them again")
        assert call(api, "PUT", f"/{job}", json=CORRECTED, headers={"If-Match": '"2"'}).status_code == 200
        assert call(api, "PUT", f"/{job}", json=CORRECTED, headers={"If-Match": "two"}).status_code == 400

    @pytest.mark.parametrize("stored", [True, False])
    def test_without_an_answer_of_directus_nothing_is_orphaned(
        self, api: Api, monkeypatch: pytest.MonkeyPatch, stored: bool
    ) -> None:
        """The call may have been stored, with only its answer lost."""
        job, directus = completed(api), api.services.directus
        replace = directus.replace_output

        def lost(*arguments: Any, **options: Any) -> bool:
            if stored:
                replace(*arguments, **options)
            raise DirectusUnavailable

        monkeypatch.setattr(directus, "replace_output", lost)
        assert call(api, "PUT", f"/{job}", json=CORRECTED).status_code == (200 if stored else 503)
        assert call(api, "GET", f"/{job}").json["version"] == (2 if stored else 1)
        assert len(api.directus("GET", f"/files?filter[title][_starts_with]=captions/{job}/&limit=-1")) == (2 if stored else 0)

    def test_of_two_corrections_at_once_one_wins_and_the_other_leaves_nothing(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job = completed(api)
        editor, meanwhile = api.services.captions, []
        store = editor._store

        def slow(*arguments: Any) -> Any:
            stored = store(*arguments)
            if not meanwhile:
                meanwhile.append(1)
                assert call(api, "PUT", f"/{job}", json=CORRECTED).status_code == 200
            return stored

        monkeypatch.setattr(editor, "_store", slow)
        answer = call(api, "PUT", f"/{job}", json={"cues": []})
        assert (answer.status_code, answer.json["error"]) == (409, "The captions were changed meanwhile: read them again")
        assert call(api, "GET", f"/{job}").json["version"] == 2
        assert len(api.directus("GET", f"/files?filter[title][_starts_with]=captions/{job}/&limit=-1")) == 2

    def test_of_other_people_and_of_open_jobs(self, api: Api) -> None:
        assert call(api, "PUT", f"/{completed(api)}", "pro", json=CORRECTED).status_code == 404
        job = api.record(operation="caption_generation")
        assert call(api, "PUT", f"/{job}", json=CORRECTED).status_code == 409


class TestDelete:
    def test_all_versions_are_deleted(self, api: Api) -> None:
        job = completed(api)
        call(api, "PUT", f"/{job}", json=CORRECTED)
        answer = call(api, "DELETE", f"/{job}")
        assert (answer.status_code, answer.json) == (200, {"ok": True, "jobId": job, "status": "deleted"})
        for prefix in (f"{job}/", f"captions/{job}/"):
            assert api.directus("GET", f"/files?filter[title][_starts_with]={prefix}&limit=-1") == []
        record = api.directus("GET", f"/items/media_jobs/{job}")
        assert (record["status"], record["output_file_id"], record["result"]["outputs"]) == ("completed", None, [])
        assert call(api, "GET", f"/{job}").status_code == 404
        assert call(api, "PUT", f"/{job}", json=CORRECTED).status_code == 404

    def test_of_other_people_and_of_open_jobs(self, api: Api) -> None:
        assert call(api, "DELETE", f"/{completed(api)}", "pro").status_code == 404
        assert call(api, "DELETE", f"/{api.record(operation='caption_generation')}").status_code == 409


def test_nothing_of_another_test_is_in_the_ledger(api: Api) -> None:
    assert api.services.scripts.redis.keys(f"{PREFIX}:job:*") == []
