"""`make image`: the worker image, built without Docker, and its workers in containers.

A container has a read-only root, the image's user, environment and entry point, and its own mounts. It shares the network.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.cloud import image
from infra.local import processes
from tests.integration.conftest import clip, long_clip, no_worker, site, system  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local.process import LocalProcess

WORK = "/work"
"""The folder of jobs in a container, as in the Dockerfile."""
MOUNTS = """
root=$1 work=$2
shift 2
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"
mount --bind "$work" "$root/work"
mount -o remount,bind,ro "$root"
exec "$@"
"""


@dataclass
class Image:
    """A built image: its root, and what it says of its process."""

    root: Path
    config: dict[str, Any]

    def container(self, part: LocalProcess) -> LocalProcess:
        """Return a worker as a container: the same options and settings, nothing else of this machine."""
        work = Path(part.environment["WORK_DIR"])
        work.mkdir(parents=True, exist_ok=True)
        os.chown(work, *map(int, self.config["User"].split(":")))
        settings = [f"{name}={value}" for name, value in (part.environment | {"WORK_DIR": WORK}).items()]
        command = [*settings, *self.config["Entrypoint"], *part.command[3:]]
        part.command = ["unshare", "--mount", "sh", "-ec", MOUNTS, "sh", str(self.root), str(work), *self._inside(command)]
        part.environment = {}
        return part

    def healthy(self, container: LocalProcess) -> list[str]:
        """Return the command of the health check, in the container."""
        assert container.process is not None
        command = [f"WORK_DIR={WORK}", *self.config["Healthcheck"]["Test"][1:]]
        return ["nsenter", "--mount", "--target", str(container.process.pid), *self._inside(command)]

    def _inside(self, command: list[str]) -> list[str]:
        changed = ["chroot", f"--userspec={self.config['User']}", str(self.root)]
        return [*changed, "env", "--ignore-environment", f"--chdir={self.config['WorkingDir']}", *self.config["Env"], *command]


@pytest.fixture(scope="session")
def built() -> Image:
    if os.getuid() != 0:
        pytest.fail("containers need root: run `make image` as root")
    return Image(image.build(base=os.environ.get("BASE", "")), image.configuration())


@pytest.fixture(scope="session", autouse=True)
def in_containers(built: Image) -> Iterator[None]:
    """Every worker of a system runs in a container."""
    plain = processes.worker_process
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "worker_process", lambda *given, **named: built.container(plain(*given, **named)))
        yield
