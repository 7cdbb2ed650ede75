"""`signforge keys create | list | rotate | revoke`: manage API keys."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from core.jobs.scopes import Scope
from signforge.client import Client
from signforge.client.models import ApiKey
from signforge.commands.bootstrap import bootstrap
from signforge.commands.options.durations import MAX_GRACE_DAYS, in_days
from signforge.commands.printing.plain_help import command_group
from signforge.commands.printing.terminal import AsJson, print_json, print_table

_SECONDS_PER_DAY = 86_400.0
ApiKeyId = Annotated[str, typer.Argument(metavar="ID", help="An API key's id.")]

app = command_group(help="API keys: create, list, rotate and revoke.")


@app.command()
def create(
    owner: Annotated[
        str, typer.Argument(metavar="OWNER", help="Owner of the key. Owners see only their own resources.")
    ],
    scopes: Annotated[
        list[Scope] | None,
        typer.Option("--scope", help="Scope of the key (repeatable; default: read and submit)."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Label of the key.")] = None,
    days: Annotated[
        float | None, in_days("--days", explanation="Days until the key expires (default: never).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create an API key and print it once."""
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
        float,
        in_days("--grace-days", longest=MAX_GRACE_DAYS, explanation="How many days the old key still works."),
    ] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Replace an API key by a new one, and print the new key once."""
    with Client() as client:
        api_key = client.api_keys.rotate(api_key_id, grace_seconds=grace_days * _SECONDS_PER_DAY)
    _show_once(api_key, as_json=as_json)


@app.command()
def revoke(api_key_id: ApiKeyId) -> None:
    """Revoke an API key at once."""
    with Client() as client:
        client.api_keys.revoke(api_key_id)
    typer.echo(f"{api_key_id} is revoked.")


app.command()(bootstrap)


def _show_once(api_key: ApiKey, *, as_json: bool) -> None:
    if as_json:
        print_json(api_key)
        return
    typer.echo(api_key.api_key)
    typer.echo("Store this key: it is not shown again. Use it as SIGNFORGE_API_KEY.", err=True)
