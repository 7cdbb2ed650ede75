"""`signforge keys create | list | revoke`: API keys of the service."""

from enum import StrEnum
from typing import Annotated

import typer

from signforge.client import Client
from signforge.commands.terminal import AsJson, print_json, print_table

app = typer.Typer(no_args_is_help=True, help="API keys: who may use the service, and for what.")


class Scope(StrEnum):
    """What an API key allows."""

    READ = "read"
    SUBMIT = "submit"
    ADMIN = "admin"


@app.command()
def create(
    owner: Annotated[str, typer.Argument(metavar="OWNER", help="Whose key; owners see their own things.")],
    scopes: Annotated[
        list[Scope] | None, typer.Option("--scope", help="What it allows (repeatable); read and submit.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key and print it, this once."""
    wanted = tuple(scope.value for scope in scopes or (Scope.READ, Scope.SUBMIT))
    with Client() as client:
        api_key = client.create_api_key(owner, scopes=wanted)
    if as_json:
        print_json(api_key)
        return
    typer.echo(api_key.api_key)
    typer.echo("Keep it: it is not shown again. Use it as SIGNFORGE_API_KEY.", err=True)


@app.command(name="list")
def list_keys(as_json: AsJson = False) -> None:
    """List API keys, without their secrets."""
    with Client() as client:
        api_keys = client.api_keys()
    if as_json:
        print_json(api_keys)
        return
    print_table(
        ["id", "owner", "scopes", "created (UTC)", "expires", "revoked"],
        [
            (key.id, key.owner, " ".join(key.scopes), key.created_at, key.expires_at, key.revoked_at)
            for key in api_keys
        ],
        empty="There are no API keys.",
    )


@app.command()
def revoke(api_key_id: Annotated[str, typer.Argument(metavar="ID", help="An API key's id.")]) -> None:
    """Make an API key useless at once."""
    with Client() as client:
        client.revoke_api_key(api_key_id)
    typer.echo(f"{api_key_id} is revoked.")
