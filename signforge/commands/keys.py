"""`signforge keys create | list | rotate | revoke`: API keys of the service."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from core.jobs.scopes import Scope
from signforge.client import Client
from signforge.client.models import ApiKey
from signforge.commands.terminal import AsJson, print_json, print_table

_SECONDS_PER_DAY = 86_400.0
_LONGEST_GRACE_DAYS = 30
ApiKeyId = Annotated[str, typer.Argument(metavar="ID", help="An API key's id.")]

app = typer.Typer(no_args_is_help=True, help="API keys: who may use the service, and for what.")


@app.command()
def create(
    owner: Annotated[str, typer.Argument(metavar="OWNER", help="Whose key; owners see their own things.")],
    scopes: Annotated[
        list[Scope] | None, typer.Option("--scope", help="What it allows (repeatable); read and submit.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What it is for, for people.")] = None,
    days: Annotated[
        float | None, typer.Option(min=0, help="How long it works; without it, for good.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key and print it, this once."""
    wanted = tuple(scope.value for scope in scopes or (Scope.READ, Scope.SUBMIT))
    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    with Client() as client:
        api_key = client.api_keys.create(owner, scopes=wanted, name=name, expires_at=expires_at)
    _show_once(api_key, as_json=as_json)


@app.command(name="list")
def list_keys(as_json: AsJson = False) -> None:
    """List API keys, without their secrets."""
    with Client() as client:
        api_keys = client.api_keys.list()
    if as_json:
        print_json(api_keys)
        return
    print_table(
        ["id", "owner", "name", "scopes", "created (UTC)", "last used", "expires", "revoked"],
        [
            (
                key.id,
                key.owner,
                key.name,
                " ".join(key.scopes),
                key.created_at,
                key.last_used_at,
                key.expires_at,
                key.revoked_at,
            )
            for key in api_keys
        ],
        empty="There are no API keys.",
    )


@app.command()
def rotate(
    api_key_id: ApiKeyId,
    grace_days: Annotated[
        float, typer.Option(min=0, max=_LONGEST_GRACE_DAYS, help="How long the old one goes on working.")
    ] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Put a new API key in the place of one, and print it, this once."""
    with Client() as client:
        api_key = client.api_keys.rotate(api_key_id, grace_seconds=grace_days * _SECONDS_PER_DAY)
    _show_once(api_key, as_json=as_json)


@app.command()
def revoke(api_key_id: ApiKeyId) -> None:
    """Make an API key useless at once."""
    with Client() as client:
        client.api_keys.revoke(api_key_id)
    typer.echo(f"{api_key_id} is revoked.")


def _show_once(api_key: ApiKey, *, as_json: bool) -> None:
    if as_json:
        print_json(api_key)
        return
    typer.echo(api_key.api_key)
    typer.echo("Keep it: it is not shown again. Use it as SIGNFORGE_API_KEY.", err=True)
