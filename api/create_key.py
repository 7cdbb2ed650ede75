"""`python -m api.create_key anna`: the first API key of a service that `signforge up` did not start.

It writes to the database that the settings name, so whoever may run it holds the database anyway. Further
keys: `signforge keys create`, with this one.
"""

import argparse
import sys

from api.auth import Scope
from core.jobs.database import migrate, open_database, transaction
from core.jobs.keys import create_api_key
from core.jobs.settings import Settings


def main() -> int:
    """Make a key and print it, once."""
    options = _parser().parse_args()
    engine = open_database(Settings().resolved_database_url)
    migrate(engine)
    with transaction(engine) as session:
        key = create_api_key(session, owner=options.owner, scopes=options.scope or [Scope.ADMIN])
    engine.dispose()
    sys.stdout.write(f"{key}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m api.create_key", description="Make an API key.")
    parser.add_argument("owner", help="whose it is; an owner sees only their own things")
    words = [scope.value for scope in Scope]
    parser.add_argument("--scope", choices=words, action="append", help="what it allows (default: admin)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
