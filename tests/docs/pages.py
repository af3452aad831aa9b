"""The documentation pages: their commands, links and headings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from infra.local.processes import ROOT

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "client/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
FENCE = re.compile(r"^( *)```(\S*)( \S+)?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
COMMANDS = ("make", "mediaq", "curl", "aws", "docker", "python", ".venv/bin/python", "pip", "git", "export", "eval")


class Block(NamedTuple):
    """A fenced block: its language, whether it wants an AWS account, and its text."""

    language: str
    cloud: bool
    text: str


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    found = []
    for indent, language, word, text in FENCE.findall(page.read_text()):
        lines = [line.removeprefix(indent) for line in text.splitlines()]
        found.append(Block(language, word.strip() == "cloud", "\n".join(lines)))
    return found


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return FENCE.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """The names of headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}
