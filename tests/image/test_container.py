"""A container of the image: who it is, what it may write, and its health check."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.health import check_turns_bad_and_good
from tests.image.conftest import WORK

if TYPE_CHECKING:
    from tests.image.conftest import Image
    from tests.integration.conftest import System


def test_its_worker_is_nobody_on_a_read_only_root(system: System, clip: Path) -> None:
    assert system.app.wait(system.submit(clip), 60)["status"] == "completed"
    worker = system.stack.processes["worker"].process
    assert worker is not None
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{worker.pid}/status").read_text().splitlines())
    assert (status["Uid"].split(), status["Gid"].split()) == (["10001"] * 4, ["10001"] * 4)
    assert (status["CapEff"].strip("0"), status["Groups"].strip()) == ("", "10001")
    mounts = [line.split() for line in Path(f"/proc/{worker.pid}/mounts").read_text().splitlines()]
    options = {words[1]: words[3].split(",") for words in mounts}
    assert "ro" in options["/"]
    assert ["rw" in options[folder] for folder in ("/tmp", WORK)] == [True, True]


def test_its_health_check_turns_bad_and_good_again(system: System, built: Image) -> None:
    worker = system.stack.processes["worker"]
    check_turns_bad_and_good(worker, system.stack.home / "work", built.healthy(worker))
