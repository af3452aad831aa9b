"""The store of parts, and a job whose film is encoded in parts."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws

from chalicelib.ledger.ledger import Ledger, new_token
from chalicelib.ledger.parts import PartsLedger
from tests.media import make_tools, make_work
from tests.unit.factories import run_new
from tests.unit.parts.films import FILMS
from tests.unit.parts.team import Alone
from tests.unit.team.bucket import BUCKET, Bucket, honest
from workers.attempt.attempt import RUN
from workers.team import exchange, run
from workers.team.coordinator import Coordinator
from workers.team.helper import Helper
from workers.team.store import PartStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from chalicelib.domain.jobs import MediaJob
    from chalicelib.ledger.scripts import Scripts

PARAMS = {"format": "mp4", "preset": "ultrafast", "audio_codec": "none", "deinterlace": "off"}


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with mock_aws():
        bucket = Bucket()
        bucket.fault = honest
        yield bucket


@pytest.fixture
def store(bucket: Bucket) -> PartStore:
    return PartStore(BUCKET, bucket)


@pytest.fixture
def ledgers(scripts: Scripts, monkeypatch: pytest.MonkeyPatch) -> tuple[Ledger, PartsLedger]:
    """On the clock of Redis, because leases are renewed in threads."""
    monkeypatch.setattr(exchange, "WATCH_SECONDS", 0.05)
    monkeypatch.setattr(run, "WATCH_SECONDS", 0.05)
    return Ledger(scripts), PartsLedger(scripts)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return FILMS["h264 closed"](tmp_path_factory.mktemp("films"))


@pytest.fixture(scope="module")
def expected(film: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    work = make_work("transcoding", film, tmp_path_factory.mktemp("alone") / "job", PARAMS)
    return digest(RUN["transcoding"](replace(work, team=Alone(6))))


def digest(done: Any) -> str:
    return hashlib.sha256(done.outputs[0].path.read_bytes()).hexdigest()


def coordinator(
    job: MediaJob, token: str, parts: PartsLedger, store: PartStore, called: list[int] | None = None
) -> Coordinator:
    calls = [] if called is None else called
    return Coordinator(job, token, parts, store, "me", from_seconds=0.001, parts_wanted=6, call_lambdas=calls.append)


@pytest.fixture
def encoding(ledgers: tuple[Ledger, PartsLedger], store: PartStore, film: Path, tmp_path: Path) -> Callable[..., Any]:
    """Run the job in parts, with a helper beside the coordinator unless `alone`."""
    ledger, parts = ledgers
    job, token = run_new(ledger)

    def run_it(alone: bool = False, **changes: Any) -> Any:
        team = changes.pop("team", None) or coordinator(job, token, parts, store)
        work = make_work("transcoding", film, tmp_path / f"job-{new_token()}", PARAMS, **changes)
        helper = Helper(parts, store, make_tools(tmp_path / "helper"), "helper")
        over = threading.Event()

        def help_until_over() -> None:
            while not over.wait(0.02):
                helper.help("container")

        thread = threading.Thread(target=help_until_over)
        if not alone:
            thread.start()
        try:
            return RUN["transcoding"](replace(work, team=team))
        finally:
            over.set()
            if not alone:
                thread.join()

    run_it.job, run_it.token, run_it.ledger, run_it.parts = job, token, ledger, parts  # type: ignore[attr-defined]
    return run_it
