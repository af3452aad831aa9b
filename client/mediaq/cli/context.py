"""What every command has: who is calling, and a way to say things to people or to programs."""

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
    """The options in front of every command."""

    api: str | None
    directus: str | None
    token: str | None

    @cached_property
    def client(self) -> Client:
        """The client, made when it is needed: --help needs none."""
        return Client(self.api, self.directus, self.token)


def as_json(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --json to a command."""
    return click.option("--json", "as_json", is_flag=True, help="Say it in JSON, one value a line.")(command)


def say_json(value: Any) -> None:
    """Say a value to a program."""
    click.echo(json.dumps(value))


pass_settings = click.make_pass_decorator(Settings)
