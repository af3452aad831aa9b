"""`mediaq credentials`: store, list, change, delete and test credentials."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from mediaq.cli import show
from mediaq.cli.context import Settings, as_json, pass_settings, say_json

KINDS = ("bearer", "basic", "header", "query", "aws_s3", "oauth2_client")
FIELDS = {
    "bearer": "the token",
    "basic": '{"username": ..., "password": ...}',
    "header": '{"name": ..., "value": ...}',
    "query": '{"name": ..., "value": ...}',
    "aws_s3": '{"access_key_id": ..., "secret_access_key": ..., "region": ...}',
    "oauth2_client": '{"token_url": ..., "client_id": ..., "client_secret": ...}',
}
from_stdin = click.option("--from-stdin", is_flag=True, help="Read the secret from standard input, and do not ask for it.")


@click.group(short_help="Manage credentials for private servers.")
def credentials() -> None:
    """Manage credentials for private downloads and deliveries. A secret can be stored and used, and never read."""


@credentials.command(short_help="Store a credential.")
@click.argument("name")
@click.option("--kind", type=click.Choice(KINDS), required=True)
@click.option("--host", "hosts", multiple=True, required=True, help="A host that it may be sent to; may be repeated.")
@from_stdin
@as_json
@pass_settings
def add(settings: Settings, /, name: str, kind: str, hosts: tuple[str, ...], from_stdin: bool, as_json: bool) -> None:
    """Store a credential and print its id. The secret of a bearer is its token; other kinds take JSON."""
    made = settings.client.credentials.create(name, kind, list(hosts), _secret(kind, from_stdin=from_stdin))
    say_json(made) if as_json else click.echo(made["id"])


@credentials.command("list")
@as_json
@pass_settings
def list_(settings: Settings, /, as_json: bool) -> None:
    """List your credentials."""
    found = settings.client.credentials.list()
    if as_json:
        for one in found:
            say_json(one)
        return
    rows = [[one["id"], one["name"], one["kind"], ", ".join(one["hosts"]), one["last_status"] or "not used"] for one in found]
    show.table(["CREDENTIAL", "NAME", "KIND", "HOSTS", "LAST USE"], rows)


@credentials.command()
@click.argument("key", metavar="CREDENTIAL")
@click.argument("name")
@pass_settings
def rename(settings: Settings, /, key: str, name: str) -> None:
    """Rename a credential."""
    settings.client.credentials.change(key, name=name)


@credentials.command(short_help="Replace the secret.")
@click.argument("key", metavar="CREDENTIAL")
@click.option("--host", "hosts", multiple=True, help="Its new hosts; without them they stay.")
@from_stdin
@pass_settings
def replace(settings: Settings, /, key: str, hosts: tuple[str, ...], from_stdin: bool) -> None:
    """Replace the secret of a credential, and its hosts if --host names some."""
    kind = settings.client.credentials.show(key)["kind"]
    changes: dict[str, Any] = {"secret": _secret(kind, from_stdin=from_stdin)}
    settings.client.credentials.change(key, **changes, **({"hosts": list(hosts)} if hosts else {}))


@credentials.command()
@click.argument("key", metavar="CREDENTIAL")
@click.option("--force", is_flag=True, help="Although an open job uses it.")
@pass_settings
def delete(settings: Settings, /, key: str, force: bool) -> None:
    """Delete a credential."""
    settings.client.credentials.delete(key, force=force)


@credentials.command("test")
@click.argument("key", metavar="CREDENTIAL")
@click.argument("url")
@as_json
@pass_settings
def try_(settings: Settings, /, key: str, url: str, as_json: bool) -> int:
    """Let a worker send a request with a credential to a URL of its hosts."""
    found = settings.client.credentials.test(key, url)
    if as_json:
        say_json(found)
    elif found["state"] == "answered":
        click.echo(f"answered with status {found['status']}")
    else:
        click.echo(found["error"] or "no worker has answered yet; `mediaq credentials list` will show it")
    return int(found["state"] != "answered")


def _secret(kind: str, *, from_stdin: bool) -> dict[str, Any]:
    """Read the secret: never from an argument, which other users of the machine could see."""
    given_text = sys.stdin.read() if from_stdin else click.prompt(f"Secret ({FIELDS[kind]})", hide_input=True)
    text = given_text.strip()
    if kind == "bearer" and not text.startswith("{"):
        return {"token": text}
    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise click.UsageError(f"the secret of {kind} must be JSON: {FIELDS[kind]}")
    return given
