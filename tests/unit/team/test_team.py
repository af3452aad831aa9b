"""A coordinator and helpers on a real Redis and an S3 that works, fails or lies: all parts are there in the end, and the same."""

from __future__ import annotations

import errno
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from chalicelib.errors import AttemptFailed, LedgerUnavailable, MediaRejected, WorkerStopping
from chalicelib.ledger.ledger import Ledger
from chalicelib.ledger.parts import NewPart, PartPlan, PartsLedger
from chalicelib.queues.tickets import Ticket, read_ticket
from tests.media import make_tools
from tests.unit.factories import claim, run_new
from tests.unit.team.bucket import Bucket
from tests.unit.team.conftest import coordinator, digest
from workers.parts import encode
from workers.runtime.runner import Runner
from workers.team import helper as helper_module
from workers.team.helper import Helper
from workers.team.store import PartStore

if TYPE_CHECKING:
    from pathlib import Path


BUCKET = "parts"


def test_two_workers_make_the_same_file(encoding: Any, expected: str) -> None:
    done = encoding()
    assert digest(done) == expected
    assert done.result["parts"]["count"] == 5
    assert done.result["parts"]["workers"] == 2
    assert {row["runs"] for row in done.result["parts"]["timeline"]} == {1}


def test_without_the_ledger_it_goes_on_alone(encoding: Any, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*given: Any) -> Any:
        raise LedgerUnavailable

    monkeypatch.setattr(encoding.parts, "_call", gone)
    done = encoding(alone=True)
    assert digest(done) == expected
    assert done.result["parts"]["timeline"] == []


def test_the_next_attempt_does_no_finished_part_again(
    encoding: Any, store: PartStore, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []
    really = encode.run

    def counted(work: Any, recipe: Any, source: Any, target: Any, number: int) -> None:
        if len(encoded) == 3:
            raise WorkerStopping("The worker is shutting down")
        really(work, recipe, source, target, number)
        encoded.append(number)

    monkeypatch.setattr(encode, "run", counted)
    with pytest.raises(WorkerStopping):
        encoding(alone=True)
    before = list(encoded)
    assert len(before) == 3
    monkeypatch.setattr(encode, "run", lambda *given: (really(*given), encoded.append(given[-1])))
    assert encoding.ledger.release(encoding.job, encoding.token) == "ok"
    again = claim(encoding.ledger, encoding.job)
    team = coordinator(encoding.job, again.token, encoding.parts, store)
    assert digest(encoding(alone=True, team=team)) == expected
    assert sorted(encoded) == list(range(5))


@pytest.mark.parametrize("error", [MediaRejected("This part is broken"), AttemptFailed("ffmpeg was killed")])
def test_a_part_that_fails_fails_the_attempt(encoding: Any, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """A rejected film fails for good; after another error the retry policy of jobs applies, on any worker."""
    break_part(monkeypatch, error)
    with pytest.raises(type(error), match=str(error)):
        encoding()


def test_a_part_that_fails_thrice_fails_the_job(encoding: Any, store: PartStore, monkeypatch: pytest.MonkeyPatch) -> None:
    break_part(monkeypatch, AttemptFailed("ffmpeg was killed"))
    for _ in range(3):
        with pytest.raises(AttemptFailed, match="ffmpeg was killed"):
            encoding(alone=True)
    with pytest.raises(MediaRejected, match="ffmpeg was killed"):
        encoding(alone=True)


def break_part(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Let the encoder fail at one part."""
    really = encode.run

    def broken(*given: Any) -> None:
        if given[-1] == 2:
            raise error
        really(*given)

    monkeypatch.setattr(encode, "run", broken)


def test_other_releases_take_no_part(ledgers: tuple[Ledger, PartsLedger], store: PartStore, tmp_path: Path) -> None:
    ledger, parts = ledgers
    job, token = run_new(ledger)
    parts.plan(job, token, PartPlan("hash", "recipe", "0 another ffmpeg", 1))
    parts.add(job, token, [NewPart(0, 1, "source", 1)])
    helper = Helper(parts, store, make_tools(tmp_path), "helper")
    assert not helper.help("container")
    assert parts.watch(job, token, 0).open == 1


def test_lambdas_are_called_once_there_is_work(encoding: Any, store: PartStore) -> None:
    called: list[int] = []
    encoding(alone=True, team=coordinator(encoding.job, encoding.token, encoding.parts, store, called))
    assert called == [2]  # three parts each


def test_nothing_is_left_in_the_store(encoding: Any, store: PartStore, bucket: Bucket) -> None:
    team = coordinator(encoding.job, encoding.token, encoding.parts, store)
    encoding(team=team)
    assert bucket.real.list_objects_v2(Bucket=BUCKET)["KeyCount"] > 5
    team.forget()
    assert bucket.real.list_objects_v2(Bucket=BUCKET)["KeyCount"] == 0


def test_a_called_lambda_takes_parts_until_there_are_none(
    ledgers: tuple[Ledger, PartsLedger], store: PartStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And its message is deleted, also after the job has ended."""
    taken: list[int] = []
    monkeypatch.setattr(Helper, "_run_safely", lambda self, part: taken.append(part.n) or finish(part))
    ledger, parts = ledgers
    job, token = run_new(ledger)
    helper = Helper(parts, store, make_tools(tmp_path), "helper")
    parts.plan(job, token, PartPlan("hash", "recipe", helper._engine, 4, ("lambda",)))
    parts.add(job, token, [NewPart(n, 10 + n, f"source-{n}", 1) for n in range(4)])

    def finish(part: Any) -> str:
        assert parts.finish(part, "result", 1, 0) == "ok"
        return "finished"

    deleted: list[Ticket] = []
    queue: Any = SimpleNamespace(delete_all=deleted.extend, hold_all=lambda delays: None)
    helper.until = time.monotonic() + 3 * 12.5
    call = read_ticket("lambda", '{"v":2,"parts_of":"a job"}', "receipt")
    runner = Runner(ledger, queue, None, make_tools(tmp_path), helper)  # type: ignore[arg-type]
    assert runner.handle(call)
    assert taken == [2, 1, 0]  # the fourth would take longer than this Lambda has
    assert deleted == [call]
    runner.stop()
    assert runner.handle(call)
    assert len(taken) == 3


def test_a_helper_with_a_full_disk_gives_the_part_back(encoding: Any, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(self: Helper, *given: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left in the work folder")

    monkeypatch.setattr(Helper, "_run", no_space)
    done = encoding()
    assert digest(done) == expected
    assert done.result["parts"]["repeated"] == 0


def test_an_unexpected_error_loses_no_part(
    encoding: Any, store: PartStore, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever fails in a thread, the coordinator encodes the part itself."""
    really = PartStore.put

    def surprising(self: PartStore, folder: str, name: str, file: Path) -> str:
        if name in ("source-1", "source-3"):
            raise RuntimeError("a defect")
        return really(self, folder, name, file)

    monkeypatch.setattr(PartStore, "put", surprising)
    assert digest(encoding()) == expected


@pytest.mark.parametrize("lost", ["add", "finish"])
def test_a_call_of_the_ledger_that_fails_loses_no_part(
    encoding: Any, expected: str, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """Redis is back at once, and knows nothing of it."""
    really, failures = PartsLedger._call, [lost, lost]

    def failing(self: PartsLedger, name: str, *given: Any) -> Any:
        if name in failures:
            failures.remove(name)
            raise LedgerUnavailable
        return really(self, name, *given)

    monkeypatch.setattr(PartsLedger, "_call", failing)
    assert digest(encoding(alone=True, seconds=60)) == expected
    assert failures == []


@pytest.mark.parametrize("error", [MediaRejected("Cannot allocate memory"), AttemptFailed("killed"), RuntimeError("a defect")])
def test_a_sick_helper_fails_no_job(encoding: Any, expected: str, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def sick(self: Helper, *given: Any) -> Any:
        raise error

    monkeypatch.setattr(Helper, "_run", sick)
    monkeypatch.setattr(helper_module, "STORE_PAUSE_SECONDS", 0)
    assert digest(encoding()) == expected
