"""Builds the worker image without Docker: buildah runs the Dockerfile.

Without a `base`, mmdebstrap makes one of Debian's packages, for a machine that reaches no image registry. Everything is in
`.local/image`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from infra.local.processes import ROOT

TAG = "localhost/mediaq-worker"
DEBIAN = "localhost/mediaq-base"
RELEASE = "bookworm"
PACKAGES = "python3,python3-pip,python-is-python3,ca-certificates"
TOOLS = ("buildah", "mmdebstrap")
CERTIFICATES = "/etc/ssl/certs"
"""Those of this machine: its package index may have one of its own."""


class BuildFailed(Exception):
    """Why there is no image."""


def build(folder: Path = ROOT / ".local" / "image", base: str = "") -> Path:
    """Build the image and return its root, a folder. `base`: as in the Dockerfile; "": Debian's packages.

    Raises:
        BuildFailed: a tool is missing, or a step failed.
    """
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise BuildFailed(f"{' and '.join(missing)} must be installed: apt-get install {' '.join(missing)}")
    folder.mkdir(parents=True, exist_ok=True)
    base = base or _debian(folder)
    bases = ["--build-arg", f"BASE={base}"]
    trusted = ["--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro"]
    dockerfile = ["--file", str(ROOT / "workers" / "Dockerfile"), "--tag", TAG, str(ROOT)]
    buildah(folder, "bud", "--quiet", "--format", "docker", *bases, *trusted, *dockerfile)
    buildah(folder, "rm", "--all")
    container = buildah(folder, "from", TAG)
    return Path(buildah(folder, "mount", container))


def _debian(folder: Path) -> str:
    """Make the base, unless it is there."""
    if DEBIAN in buildah(folder, "images", "--format", "{{.Name}}").split():
        return DEBIAN
    packed = folder / "base.tar"
    _run(["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", RELEASE, str(packed)])
    container = buildah(folder, "from", "scratch")
    buildah(folder, "add", "--quiet", container, str(packed), "/")
    buildah(folder, "commit", "--quiet", "--rm", container, DEBIAN)
    packed.unlink()
    return DEBIAN


def configuration(folder: Path = ROOT / ".local" / "image") -> dict[str, Any]:
    """Return what the image says of its process: `Env`, `Entrypoint`, `User`, `WorkingDir`, `Healthcheck`."""
    found: dict[str, Any] = json.loads(buildah(folder, "inspect", "--type", "image", TAG))["Docker"]["config"]
    return found


def buildah(folder: Path, *arguments: str) -> str:
    """Run buildah on storage of our own; return what it printed.

    Raises:
        BuildFailed: it failed.
    """
    storage = ["--root", str(folder / "storage"), "--runroot", str(folder / "run"), "--storage-driver", "vfs"]
    return _run(["buildah", *storage, *arguments])


def _run(command: list[str]) -> str:
    environment = os.environ | {"BUILDAH_ISOLATION": "chroot"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if done.returncode:
        raise BuildFailed(f"{command[0]} failed:\n{done.stderr[-2000:]}")
    return done.stdout.strip()
