"""`python -m api.create_key anna`: the first API key of a service that `signforge up` did not start.

It writes to the database that the settings name, so whoever may run it holds the database anyway. Further
keys: `signforge keys create`, with this one.
"""

import argparse
import sys
from collections.abc import Sequence

from sqlalchemy.exc import SQLAlchemyError

from core.jobs.database import cannot_be_used, migrate, open_database, transaction
from core.jobs.keys import create_api_key
from core.jobs.scopes import Scope
from core.jobs.settings import Settings


def main() -> int:
    """Make a key and print it, once."""
    options, url = _parser().parse_args(), Settings().resolved_database_url
    try:
        key = _create(url, options.owner, options.scope or [Scope.ADMIN])
    except (SQLAlchemyError, OSError) as error:
        sys.stderr.write(f"{cannot_be_used(url, error)}\n")
        return 1
    sys.stdout.write(f"{key}\n")
    return 0


def _create(url: str, owner: str, scopes: Sequence[str]) -> str:
    engine = open_database(url)
    try:
        migrate(engine)
        with transaction(engine) as session:
            return create_api_key(session, owner=owner, scopes=scopes)
    finally:
        engine.dispose()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m api.create_key", description="Make an API key.")
    parser.add_argument("owner", help="whose it is; an owner sees only their own things")
    words = [scope.value for scope in Scope]
    parser.add_argument("--scope", choices=words, action="append", help="what it allows (default: admin)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
