"""What is installed once a user: each thing in a folder whose name says all that it depends on.

It is put there whole or not at all, so that two runs at once, or a run cut short, leave nothing half done.
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
    """Return where installations are kept: MEDIAQ_CACHE, else mediaq in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("MEDIAQ_CACHE") or Path(base) / "mediaq")


def once(name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder `name` of the cache, made by `make` if it is not there."""
    target = cache_folder() / name
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f"{name}.", ignore_cleanup_errors=True) as temporary:
        made = Path(temporary) / "made"
        made.mkdir()
        make(made)
        with contextlib.suppress(OSError):  # somebody else was faster
            made.rename(target)
    return target


def digest(files: Iterable[Path], *words: str) -> str:
    """Return a short name for the contents of files, and for some words."""
    found = hashlib.sha256("".join(words).encode())
    for file in sorted(files):
        found.update(file.name.encode() + b"\0" + file.read_bytes())
    return found.hexdigest()[:12]
