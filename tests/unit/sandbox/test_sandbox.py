"""The limits and the isolation of a media process."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from chalicelib.errors import AttemptFailed, JobCancelled, MediaRejected, SettingsError
from workers.sandbox import sandbox
from workers.sandbox.sandbox import Limits


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_lines_arrive_and_the_code_is_told(tmp_path: Path) -> None:
    lines: list[str] = []
    code = "import sys; print('a'); print('b'); sys.stderr.write('oh'); sys.exit(3)"
    finished = sandbox.run(python(code), folder=tmp_path, limits=Limits(), on_line=lines.append)
    assert (lines, finished.code, finished.stderr) == (["a", "b"], 3, "oh")


def test_nothing_of_our_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIRECTUS_SECRET", "secret")
    lines: list[str] = []
    sandbox.run(python("import os; print(sorted(os.environ))"), folder=tmp_path, limits=Limits(), on_line=lines.append)
    assert "DIRECTUS" not in lines[0]


def test_in_a_lambda_a_process_fails_before_the_lambda_does(monkeypatch: pytest.MonkeyPatch) -> None:
    for megabytes, kib in (("3008", (3008 - 400) << 10), ("512", 256 << 10)):
        monkeypatch.setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", megabytes)
        assert f"ulimit -d {kib}" in " ".join(sandbox._confined(sandbox.Limits()))
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
    assert f"ulimit -d {6 << 20}" in " ".join(sandbox._confined(sandbox.Limits()))


def test_the_wall_clock_kills_the_whole_group_within_two_seconds(tmp_path: Path) -> None:
    code = "import os, subprocess, time; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); time.sleep(60)"
    children: list[str] = []
    started = time.monotonic()
    with pytest.raises(MediaRejected, match="longer"):
        sandbox.run(python(code), folder=tmp_path, limits=Limits(seconds=1), on_line=children.append)
    assert time.monotonic() - started < 3
    time.sleep(0.1)
    assert _ended(int(children[0]))


def _ended(pid: int) -> bool:
    """Say whether a process has ended, be it that nobody has waited for it."""
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_reason_to_stop_is_heard_within_a_second(tmp_path: Path) -> None:
    started = time.monotonic()

    def check() -> None:
        if time.monotonic() - started > 0.5:
            raise JobCancelled("Cancelled")

    with pytest.raises(JobCancelled):
        sandbox.run(python("import time; time.sleep(60)"), folder=tmp_path, limits=Limits(), check=check)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("code", "limits"),
    [
        ("x = bytearray(1 << 30)", Limits(memory_bytes=512 << 20)),
        ("open('big', 'wb').write(b'x' * (2 << 20))", Limits(file_bytes=1 << 20)),
        ("[open('/dev/null') for _ in range(100)]", Limits(open_files=32)),
    ],
    ids=["memory", "file size", "open files"],
)
def test_limits(tmp_path: Path, code: str, limits: Limits) -> None:
    assert sandbox.run(python(code), folder=tmp_path, limits=limits).code != 0


def test_output_without_end_is_not_kept(tmp_path: Path) -> None:
    code = "import sys\nfor _ in range(200): sys.stderr.write('x' * 65536)"
    assert len(sandbox.run(python(code), folder=tmp_path, limits=Limits()).stderr) == sandbox.STDERR_KEPT


def test_what_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(AttemptFailed, match="nothing could not be started"):
        sandbox.run(["/no/such/nothing"], folder=tmp_path, limits=Limits())


def test_the_folder_is_private_and_gone_whatever_happens(tmp_path: Path) -> None:
    def use() -> None:
        with sandbox.private_folder(tmp_path / "work") as folder:
            assert folder.stat().st_mode & 0o777 == 0o700
            (folder / "file").write_text("x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        use()
    assert list((tmp_path / "work").iterdir()) == []


def test_there_is_no_network(tmp_path: Path) -> None:
    """Where the machine gives a namespace, not even loopback is there; the rest of the tests do without."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 2)"
        finished = sandbox.run(python(code), folder=tmp_path, limits=Limits(seconds=10))
        assert (finished.code != 0) == sandbox._works(sandbox.UNSHARE)


def test_a_required_namespace_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "_works", lambda words: False)
    monkeypatch.setattr(sandbox._Namespace, "mode", "auto")
    with pytest.raises(SettingsError, match="NETWORK_NAMESPACE is required"):
        sandbox.use_namespace("required")


def test_a_folder_that_grows_too_large(tmp_path: Path) -> None:
    code = "import time\nfor n in range(100): open(f'{n}', 'wb').write(b'x' * (1 << 20)); time.sleep(0.05)"
    with pytest.raises(MediaRejected, match="larger than 4 MiB"):
        sandbox.run(python(code), folder=tmp_path, limits=Limits(folder_bytes=4 << 20))


def test_a_process_that_closes_its_outputs_and_goes_on(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(MediaRejected, match="longer"):
        sandbox.run(
            python("import os, time; os.close(1); os.close(2); time.sleep(60)"), folder=tmp_path, limits=Limits(seconds=1)
        )
    assert time.monotonic() - started < 3


def test_a_line_without_end_is_not_kept(tmp_path: Path) -> None:
    lines: list[str] = []
    code = "import sys\nfor _ in range(100): sys.stdout.write('x' * 65536)"
    sandbox.run(python(code), folder=tmp_path, limits=Limits(), on_line=lines.append)
    assert len(lines[0]) <= sandbox.LINE_MAX + 65536


def test_a_sweep_at_any_moment_takes_no_folder_in_use(tmp_path: Path) -> None:
    over = threading.Event()

    def sweeping() -> None:
        while not over.is_set():
            sandbox.sweep(tmp_path)

    sweeper = threading.Thread(target=sweeping)
    sweeper.start()
    try:
        for _ in range(500):
            with sandbox.private_folder(tmp_path) as folder:
                (folder / "file").write_text("x")
                assert folder.is_dir()
    finally:
        over.set()
        sweeper.join()


def test_memory_is_told(tmp_path: Path) -> None:
    assert sandbox.run(python("x = bytearray(80 << 20)"), folder=tmp_path, limits=Limits()).peak_bytes > 80 << 20


def test_what_a_killed_worker_leaves_is_gone_at_the_next_start_and_its_process_at_once(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from workers.sandbox import sandbox
with sandbox.private_folder(Path({str(tmp_path)!r})) as folder:
    sandbox.run(["sh", "-c", "echo $$; sleep 60"], folder=folder, limits=sandbox.Limits(), on_line=lambda pid: print(pid, flush=True))
"""
    worker = subprocess.Popen(python(code), stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    media = int(worker.stdout.readline())
    assert sandbox.sweep(tmp_path) == 0  # in use
    worker.kill()
    worker.wait()
    worker.stdout.close()
    deadline = time.monotonic() + 5
    while not _ended(media) and sandbox._works(sandbox.SETPRIV) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _ended(media) == sandbox._works(sandbox.SETPRIV)  # of util-linux; without it the process ends by itself
    assert sandbox.sweep(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []
