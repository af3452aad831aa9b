"""The systems that mediaq is compared with, each in an environment of its own that is installed on first use."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from infra.local import node
from infra.local.cache import digest, once
from infra.local.process import StartFailed
from infra.local.processes import AWS_ENVIRONMENT, ROOT

HERE = Path(__file__).parent
LOCK = ROOT / "requirements" / "peers.lock"


def bullmq(command: str, arguments: Any, redis_url: str) -> Any:
    """Run a command of `bullmq/bench.mjs` and return its answer."""
    return _answer([str(node.node()), "bench.mjs", command], arguments, bullmq_home(), {"REDIS_URL": redis_url})


def bullmq_worker(redis_url: str, **arguments: Any) -> subprocess.Popen[bytes]:
    """Start a BullMQ worker that prints the id of each job when it starts."""
    process = subprocess.Popen(
        [str(node.node()), "bench.mjs", "work"],
        cwd=bullmq_home(),
        env={**os.environ, "REDIS_URL": redis_url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(arguments).encode())
    process.stdin.close()
    return process


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a worker: the Node of the wheel is a child of its launcher."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def python(script: str, command: str, arguments: Any, environment: dict[str, str]) -> Any:
    """Run a command of a Python peer's script and return its answer."""
    return _answer(
        [str(_environment() / "bin" / "python"), str(HERE / script), command],
        arguments,
        HERE,
        {**AWS_ENVIRONMENT, **environment},
    )


def bullmq_home() -> Path:
    """Return the folder in which BullMQ is installed."""
    package = HERE / "bullmq"
    return once(f"bullmq-{digest(package.iterdir(), node.version())}", _install_bullmq)


def _install_bullmq(folder: Path) -> None:
    node.install(HERE / "bullmq", folder)
    shutil.copy(HERE / "bullmq" / "bench.mjs", folder)  # Node looks for packages from where a script is


def _install(folder: Path) -> None:
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(LOCK)],
    ):
        node.run(command, folder)


def _answer(command: list[str], arguments: Any, folder: Path, environment: dict[str, str]) -> Any:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        input=json.dumps(arguments).encode(),
        capture_output=True,
        timeout=1800,
        check=False,
    )
    if done.returncode != 0:
        raise StartFailed(
            f"{' '.join(command[-2:])} ended with code {done.returncode}\n{done.stderr.decode(errors='replace')[-3000:]}"
        )
    return json.loads(done.stdout.splitlines()[-1])


def package_file(package: str, file: str) -> Path:
    """Return a file of a package of the peers."""
    return next((_environment() / "lib").glob(f"python*/site-packages/{package}")) / file


def _environment() -> Path:
    """Return the environment of the Python peers; it is installed on first use."""
    return once(f"peers-{digest([LOCK], sys.version)}", _install)
