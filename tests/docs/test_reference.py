"""The reference pages name all that there is, and every link leads somewhere."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING
from urllib.parse import unquote

import click
import pytest

import mediaq
from chalicelib.api import openapi
from infra.local.processes import ROOT
from mediaq import cli
from tests.docs.pages import PAGES, anchors, name_of, prose

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / unquote(path)).resolve() if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in index, page.name


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
    text = (ROOT / "docs" / "api.md").read_text()
    for route in openapi.ROUTES:
        tail = route.path.removeprefix("/queue").rsplit("/", 1)[-1]
        assert f"/{tail}" in text, route.path


def test_the_pictures_are_pictures() -> None:
    for picture in (ROOT / "docs" / "images").glob("*.png"):
        head = picture.read_bytes()[:24]
        assert head[:8] == b"\x89PNG\r\n\x1a\n"
        assert min(struct.unpack(">II", head[16:24])) > 300
        assert f"images/{picture.name}" in (ROOT / "README.md").read_text() + (ROOT / "docs" / "how-to.md").read_text()


def _commands(group: click.Group, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, (*path, name))
        else:
            yield (*path, name), command
