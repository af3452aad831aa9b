"""Starting and stopping processes of the local system."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

import pytest

from infra.local.process import LocalProcess, StartFailed, alive, pick_port

if TYPE_CHECKING:
    from pathlib import Path


def test_a_port_in_use_is_avoided() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert pick_port(port) != port
    assert pick_port(port) == port


def test_what_does_not_come_up_says_why(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('no luck today')"]
    with pytest.raises(StartFailed, match=r"(?s)thing ended with code 1.*no luck today"):
        LocalProcess("thing", command, lambda: False, tmp_path, tmp_path / "logs" / "thing.log").start()


def test_what_is_never_ready_is_given_up(tmp_path: Path) -> None:
    part = LocalProcess("thing", ["sleep", "60"], lambda: False, tmp_path, tmp_path / "thing.log", seconds=0.2)
    with pytest.raises(StartFailed, match=r"thing was not ready after 0\.2 s"):
        part.start()
    part.stop()
    assert part.process is not None
    assert not alive(part.process.pid)


def test_what_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    log = tmp_path / "thing.log"
    part = LocalProcess("thing", [sys.executable, "-c", code], lambda: "up" in log.read_text(), tmp_path, log).start()
    part.stop(seconds=0.3)
    assert part.process is not None
    assert part.process.returncode == -9
