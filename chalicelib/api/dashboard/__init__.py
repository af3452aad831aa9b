"""`GET /dashboard`: one page, with a content security policy that runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent
SCRIPTS = ("basics.js", "figures.js", "jobs.js", "page.js")
"""The parts of the script, in dependency order."""


class Page(NamedTuple):
    """The page and its headers."""

    html: str
    headers: dict[str, str]


@cache
def page() -> Page:
    """Return the page, assembled from its files."""
    style = (FOLDER / "style.css").read_text()
    script = "\n".join((FOLDER / name).read_text() for name in SCRIPTS)
    html = (FOLDER / "page.html").read_text()
    html = html.replace("<style></style>", f"<style>{style}</style>").replace("<script></script>", f"<script>{script}</script>")
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src {_hash(script)}",
            f"style-src {_hash(style)}",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-cache",
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
    }
    return Page(html, headers)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
