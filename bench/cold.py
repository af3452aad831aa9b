"""Cold starts: what a fresh process pays for the libraries of the API."""

from __future__ import annotations

import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

from bench import timed
from infra.local.parts import ROOT

if TYPE_CHECKING:
    from bench import Figures

ROUNDS = 5
IMPORTS = ("chalice", "boto3", "redis", "jwt", "requests", "aws_lambda_powertools", "msgspec")


def run() -> Figures:
    """Time the import of each library above Python's own start, in ms."""
    bare = _process("pass")
    return {"import_ms": {name: round((_process(f"import {name}") - bare) * 1000, 1) for name in IMPORTS}}


def _process(code: str) -> float:
    def start() -> None:
        subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)

    return statistics.median(timed(start, 1) for _ in range(ROUNDS))
