"""Installations that are shared by all checkouts of a user. The folder name has everything the content depends on.

A folder appears complete or not at all, so parallel or interrupted installations are safe.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def cache_folder() -> Path:
    """Return the cache folder: MEDIAQ_CACHE, else mediaq in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("MEDIAQ_CACHE") or Path(base) / "mediaq")


def once(name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder `name` of the cache; `make` creates it if it is missing."""
    target = cache_folder() / name
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f"{name}.", ignore_cleanup_errors=True) as temporary:
        made = Path(temporary) / "made"
        made.mkdir()
        make(made)
        with contextlib.suppress(OSError):  # another process was faster
            made.rename(target)
    return target


def digest(files: Iterable[Path], *words: str) -> str:
    """Return a short hash of files and words."""
    found = hashlib.sha256("".join(words).encode())
    for file in sorted(files):
        found.update(file.name.encode() + b"\0" + file.read_bytes())
    return found.hexdigest()[:12]
