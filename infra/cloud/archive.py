"""The zip of the API's functions: our code, the locked libraries, and bytecode. The same commit gives the same bytes.

The folder of a Lambda is read-only, so without bytecode every cold start would compile every module.
"""

from __future__ import annotations

import fnmatch
import hashlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import chalice

from infra.local.cache import digest, once
from infra.local.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable

LOCK = ROOT / "requirements" / "api.lock"
FUNCTION_PLATFORMS = ("manylinux2014_x86_64",)  # the platform of Chalice's functions
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
"""Chalice takes the runtime from this interpreter, and bytecode only fits that one."""
CHALICE_RUNTIME = ("__init__.py", "app.py")
EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time in a zip

NEVER_IMPORTED = (
    "*.pyi",
    "*/py.typed",
    "*/tests/*",
    "*.dist-info/*",
    "bin/*",
    "aws_lambda_powertools/event_handler/*",
    "aws_lambda_powertools/logging/formatters/*",
    "aws_lambda_powertools/metrics/provider/datadog/*",
    "aws_lambda_powertools/middleware_factory/*",
    "aws_lambda_powertools/utilities/*/*",
    "boto3/data/*",
    "boto3/dynamodb/*",
    "boto3/ec2/*",
    "boto3/examples/*",
    "boto3/s3/*",
    "botocore/crt/auth.py",
    "botocore/data/*/*",
    "charset_normalizer/cli/*",
    "dateutil/zoneinfo/*",
    "redis/asyncio/http/*",
    "redis/asyncio/multidb/*",
    "redis/commands/*/*",
    "redis/http/*",
    "redis/multidb/*",
    "urllib3/contrib/emscripten/*",
)
"""Patterns of files to leave out. A test finds packages that no request and no maintenance run imports."""
KEPT = (
    "*.dist-info/METADATA",  # for importlib.metadata.version
    "aws_lambda_powertools/utilities/jmespath_utils/*",
    "botocore/data/kms/*",
    "botocore/data/scheduler/*",
    "botocore/data/sqs/*",
)
"""Exceptions from the patterns above."""


def build(target: Path, work: Path) -> str:
    """Write the zip to `target` and return its SHA-256; `work` is an empty folder."""
    _copy(libraries(), work)
    for name in CHALICE_RUNTIME:
        _place(Path(chalice.__file__).with_name(name), work / "chalice" / name)
    ours(work, "app.py", "chalicelib")
    return pack(work, target)


def ours(work: Path, *names: str) -> None:
    """Copy our files and folders."""
    for name in names:
        source = ROOT / name
        for file in [source] if source.is_file() else sorted(source.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                _place(file, work / file.relative_to(ROOT))


def pack(folder: Path, target: Path) -> str:
    """Compile a folder and write it as a reproducible zip; return its SHA-256."""
    _compile(folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                entry = zipfile.ZipInfo(file.relative_to(folder).as_posix(), EPOCH)
                entry.external_attr = 0o644 << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, file.read_bytes())
    return hashlib.sha256(target.read_bytes()).hexdigest()


def libraries(lock: Path = LOCK, platforms: tuple[str, ...] = FUNCTION_PLATFORMS) -> Path:
    """Return the folder with the locked libraries for `platforms`, not for this machine; cached per lock file."""

    def install(folder: Path) -> None:
        command = [
            sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "-qq", "--target", str(folder),
            *platform_options(platforms), "--python-version", PYTHON, "--implementation", "cp", "--only-binary", ":all:",
            "--require-hashes", "--no-deps", "--no-compile", "--requirement", str(lock),
        ]  # fmt: skip
        subprocess.run(command, check=True)  # noqa: S603 - our own

    return once(f"{lock.stem}-{digest([lock], PYTHON, *platforms)}", install)


def platform_options(platforms: Iterable[str]) -> list[str]:
    """Return pip's options for wheels of any of several platforms."""
    return [part for platform in platforms for part in ("--platform", platform)]


def _copy(source: Path, target: Path) -> None:
    for file in sorted(source.rglob("*")):
        name = file.relative_to(source).as_posix()
        if file.is_file() and "__pycache__" not in file.parts and (_any(name, KEPT) or not _any(name, NEVER_IMPORTED)):
            _place(file, target / name)


def _any(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def _place(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _compile(folder: Path) -> None:
    """Compile every module. Bytecode is never compared with its source, so no time and no hash is checked.

    Runs in a separate process: the strings that a process has interned change its bytecode.
    """
    command = [sys.executable, "-S", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(folder), "-p", "/var/task", str(folder)]
    subprocess.run(command, env={"PYTHONHASHSEED": "0"}, check=True)  # noqa: S603 - our own
