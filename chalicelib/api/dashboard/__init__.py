"""`GET /dashboard`: one page, with a content security policy that runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from html import escape
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

FOLDER = Path(__file__).parent
SCRIPTS = (
    "basics.js",
    "figures.js",
    "timelines.js",
    "captions.js",
    "credentials.js",
    "stream.js",
    "media.js",
    "jobs.js",
    "many.js",
    "workers.js",
    "submit.js",
    "page.js",
)
"""The parts of the script, in dependency order."""


class Page(NamedTuple):
    """The page and its headers."""

    html: str
    headers: dict[str, str]


@cache
def page(directus: str, presets: tuple[str, ...] = ()) -> Page:
    """Return the page, assembled from its files.

    `directus`: the address that it loads films from and uploads files to; `presets`: the names that a new job may have.
    """
    style = _compact((FOLDER / "style.css").read_text())
    script = "\n".join(_without_comments((FOLDER / name).read_text()) for name in SCRIPTS).replace(" => ", "=>")
    html = _without_comments((FOLDER / "page.html").read_text())
    html = html.replace('data-directus=""', f'data-directus="{escape(directus)}"')
    html = html.replace('data-presets=""', f'data-presets="{escape(" ".join(presets))}"')
    html = html.replace("<style></style>", f"<style>{style}</style>").replace("<script></script>", f"<script>{script}</script>")
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src {_hash(script)}",
            f"style-src {_hash(style)}",
            f"connect-src 'self' {origin(directus)}",
            "img-src data: blob:",
            f"media-src {origin(directus)} blob:",
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


def _without_comments(text: str) -> str:
    """Return a source without indentation, empty lines and lines that are a comment: a tenth of its size."""
    lines = (line.strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith(("//", "/*")))


def _compact(style: str) -> str:
    """Return a style sheet also without the spaces that only readers need."""
    return re.sub(r";?\s*([{}])[^\S\n]*|([;,:])\s+", r"\1\2", _without_comments(style))


def origin(url: str) -> str:
    """Return the origin of a URL, for the policy."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
