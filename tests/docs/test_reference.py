"""The reference pages are complete, links and pictures exist, and the website builds."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import click
import pytest

import mediaq
from bench import charts
from chalicelib.api import openapi
from infra.local.processes import ROOT
from mediaq import cli
from tests.docs.pages import PAGES, anchors, name_of, prose

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / unquote(path)).resolve() if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


QUAINT = re.compile(
    r"\b(keeper|courier|strays|inquiry|census)\b|\b(is|are) away\b|\banew\b|\bnone of ours\b|\bwhat is told\b|\b(is|are) told\b"
)


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=name_of)
def test_the_words_are_those_of_the_field(page: Path) -> None:
    assert QUAINT.findall(prose(page)) == []


def test_every_page_is_in_the_index() -> None:
    folder = ROOT / "docs"
    index = (folder / "README.md").read_text() + (folder / "adr" / "README.md").read_text().replace("](0", "](adr/0")
    for page in folder.rglob("*.md"):
        name = str(page.relative_to(folder))
        assert name == "README.md" or f"({name})" in index, name


def test_the_site_builds(tmp_path: Path) -> None:
    """Strict: a broken link or anchor is an error."""
    command = [str(Path(sys.executable).with_name("mkdocs")), "build", "--quiet", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "search" / "search_index.json").is_file()
    assert "cdn" not in (tmp_path / "index.html").read_text().lower()


def test_every_command_and_option_is_in_the_reference() -> None:
    text = (ROOT / "docs" / "cli.md").read_text()
    for path, command in _commands(cli.command, ()):
        assert f"`{' '.join(path)}" in text, path
        for parameter in command.params:
            if isinstance(parameter, click.Option) and parameter.name not in ("as_json", "help", "version"):
                assert max(parameter.opts, key=len) in text, (path, parameter.opts)


def test_exit_codes() -> None:
    text = (ROOT / "docs" / "cli.md").read_text()
    for code in (0, cli.FAILED, cli.USAGE, cli.AWAY, cli.REFUSED, cli.INTERRUPTED):
        assert f"| {code} |" in text


def test_every_method_of_the_client_is_in_the_reference() -> None:
    text = (ROOT / "docs" / "client.md").read_text()
    for name in vars(mediaq.Client):
        assert name.startswith("_") or f"`{name}(" in text, name


def test_every_route_is_in_the_reference() -> None:
    text = "".join(page.read_text() for page in (ROOT / "docs" / "api").glob("*.md"))
    for route in openapi.ROUTES:
        tail = route.path.removeprefix("/queue").rsplit("/", 1)[-1]
        assert f"/{tail}" in text, route.path


def test_every_picture_is_used() -> None:
    text = "".join(page.read_text() for page in PAGES)
    for picture in (ROOT / "docs" / "images").rglob("*.*"):
        assert f"/{picture.name})" in text, picture.name
        if picture.suffix == ".png":
            head = picture.read_bytes()[:24]
            assert head[:8] == b"\x89PNG\r\n\x1a\n"
            assert min(struct.unpack(">II", head[16:24])) > 300


def test_charts_are_drawn_from_figures(tmp_path: Path) -> None:
    figures: dict[str, dict[str, float]] = {}
    for chart in charts.CHARTS:
        for number, bar in enumerate(chart.bars, 1):
            figures.setdefault(bar.group, {})[bar.name] = 10.0 * number
    drawn = charts.draw_all(figures, tmp_path)
    assert drawn == [f"{chart.file}.svg" for chart in charts.CHARTS]
    assert charts.draw_all({}, tmp_path) == []
    for name in drawn:
        root = ET.parse(tmp_path / name).getroot()
        widths = [float(bar.get("width", 0)) for bar in root.iter("{http://www.w3.org/2000/svg}rect")]
        assert widths == sorted(widths)
        assert widths[0] < widths[-1]
        assert "prefers-color-scheme:dark" in (tmp_path / name).read_text()
        assert (charts.FOLDER / name).is_file()


def _commands(group: click.Group, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))
        else:
            yield (*path, name), command
