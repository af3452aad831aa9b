"""Old and new releases at the same time: each reads the other's envelopes, or leaves them to one that can."""

from __future__ import annotations

import json

import msgspec
import pytest

from chalicelib.domain import jobs
from chalicelib.domain.jobs import MediaJob, UnknownEnvelope
from chalicelib.ledger.ledger import Ledger
from tests.conftest import LossyScripts
from tests.unit.factories import admit, claim, job

FIRST = {
    "v": 1,
    "id": "01a20eeb-27df-70f9-b797-3d0bdb208c3b",
    "job_id": "71a08a50-3fa9-4355-a83a-7cde6c310dbc",
    "user_id": "c069f37b-f5a8-4414-9758-6162e52ffdba",
    "operation": "transcoding",
    "pool": "container",
    "priority": 10,
    "cycle": "2026-11",
    "input_file_id": "4a4ba1e6-5be3-4c3f-9f0b-55a7d5b1a0f1",
    "input_url": None,
    "params": {"format": "mp4"},
    "creator_profile_id": None,
}
"""As release 0.1 writes it. It stays here as long as such tickets may be on their way: two weeks of a queue's retention."""


def test_this_release_reads_what_the_first_one_wrote() -> None:
    job = jobs.decode(json.dumps(FIRST))
    assert (job.job_id, job.params) == (FIRST["job_id"], {"format": "mp4"})


def test_the_first_release_could_read_what_this_one_writes() -> None:
    """It knew these fields, wanted those without a default, and ignored others."""
    written = json.loads(jobs.encode(jobs.decode(json.dumps(FIRST))))
    assert written["v"] == 1
    assert {name: written[name] for name in FIRST} == FIRST


def test_every_later_field_has_a_default() -> None:
    added = set(MediaJob.__struct_fields__) - FIRST.keys()
    without = {name: value for name, value in FIRST.items() if name not in added}
    assert jobs.decode(json.dumps(without))


def test_a_field_of_a_later_release_is_ignored() -> None:
    assert jobs.decode(json.dumps({**FIRST, "colour": "blue"})).job_id == FIRST["job_id"]


@pytest.mark.parametrize(
    ("change", "newer"),
    [
        ({"v": 2}, True),
        ({"v": 2, "params": 7}, True),
        ({"operation": "juggling"}, True),
        ({"v": 0}, False),
        ({"v": "two"}, False),
        ({"job_id": None}, False),
    ],
)
def test_what_cannot_be_read_is_left_to_a_later_release_or_is_rubbish(change: dict[str, object], newer: bool) -> None:
    with pytest.raises(UnknownEnvelope) as caught:
        jobs.decode(json.dumps({**FIRST, **change}))
    assert caught.value.newer is newer


def test_a_job_of_a_later_release_goes_back_unharmed_when_it_is_claimed(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as later:
        later.setattr(jobs, "encode", lambda job: json.dumps({**FIRST, "v": 2, "job_id": job.job_id}))
        theirs = admit(ledger, priority=1)
    ours = admit(ledger, priority=50)
    assert claim(ledger, ours).word == "hold"
    seen = ledger.get(theirs.job_id)
    assert seen is not None
    assert (seen.state, seen.attempts, seen.stalls) == ("delayed", 0, 0)
    assert claim(ledger, ours).job == ours


def test_what_a_later_release_notes_with_a_job_survives_the_scripts_of_this_one(ledger: Ledger, scripts: LossyScripts) -> None:
    ticket = admit(ledger)
    key = f"{scripts.prefix}:job:{ticket.job_id}"
    scripts.redis.eval(
        "local j = cmsgpack.unpack(redis.call('GET', KEYS[1])) j.mood = 'fine' redis.call('SET', KEYS[1], cmsgpack.pack(j))",
        1,
        key,
    )
    got = claim(ledger, ticket)
    assert ledger.renew(ticket, got.token, 50) == "ok"
    assert ledger.release(ticket, got.token) == "ok"
    assert scripts.redis.eval("return cmsgpack.unpack(redis.call('GET', KEYS[1])).mood", 1, key) == "fine"


def test_the_trace_is_in_it_only_if_there_is_one() -> None:
    plain = job()
    assert "traceparent" not in jobs.encode(plain)
    header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    traced = msgspec.structs.replace(plain, trace=header)
    assert f'"traceparent":"{header}"' in jobs.encode(traced)
    assert (jobs.decode(jobs.encode(plain)).traceparent, jobs.decode(jobs.encode(traced)).traceparent) == ("", header)
