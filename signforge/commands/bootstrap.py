"""`signforge keys bootstrap`: create the first API key of a cluster, directly in its database."""

from typing import Annotated

import typer

from core.jobs.private_files import keep_files_private
from core.jobs.scopes import Scope
from core.jobs.settings import read_settings
from signforge.client.errors import ServiceError
from signforge.installation import require


def bootstrap(
    owner: Annotated[
        str, typer.Argument(metavar="OWNER", help="Owner of the key. Owners see only their own resources.")
    ],
    scopes: Annotated[
        list[Scope] | None, typer.Option("--scope", help="Scope of the key (repeatable; default: admin).")
    ] = None,
) -> None:
    """Create the first API key directly in the database (SIGNFORGE_DATABASE_URL) and print it once.

    For a cluster that has no key yet. `signforge keys create` creates more keys through the API.
    """
    require("api", "alembic", "sqlalchemy", "uuid_utils", what="`signforge keys bootstrap`")
    typer.echo(_create(owner, [scope.value for scope in scopes or [Scope.ADMIN]]))


def _create(owner: str, scopes: list[str]) -> str:
    from sqlalchemy.exc import SQLAlchemyError

    from core.jobs.database import cannot_be_used, open_database, transaction
    from core.jobs.keys import create_api_key
    from core.jobs.migration import migrate

    settings = read_settings()
    url = settings.resolved_database_url
    for warning in keep_files_private(settings.data_folder):
        typer.echo(f"Warning: {warning}", err=True)
    try:
        engine = open_database(url)
        try:
            migrate(engine)
            with transaction(engine) as session:
                return create_api_key(session, owner=owner, scopes=scopes)
        finally:
            engine.dispose()
    except (SQLAlchemyError, OSError) as error:
        raise ServiceError(cannot_be_used(url, error)) from None
