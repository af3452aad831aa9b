"""What all commands share: the options, the client, and output for people or programs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from mediaq.client import Client

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Settings:
    """The options before the command."""

    api: str | None
    directus: str | None
    token: str | None

    @cached_property
    def client(self) -> Client:
        """The client, created on first use: --help needs none."""
        return Client(self.api, self.directus, self.token)


def as_json(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --json to a command."""
    return click.option("--json", "as_json", is_flag=True, help="Say it in JSON, one value a line.")(command)


def say_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value))


pass_settings = click.make_pass_decorator(Settings)
