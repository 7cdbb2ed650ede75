"""Checks of URLs that come from outside: settings, and where a client finds a service.

A message says what is wrong and what is expected. It never shows the URL, which may hold a password.
"""

import re
from collections.abc import Collection
from urllib.parse import SplitResult, urlsplit

_DATABASE_EXAMPLE = "postgresql+psycopg://user:password@host/signforge"
_BROKER_EXAMPLE = "redis://localhost:6379/0 or amqp://user:password@host"
_BUCKET_EXAMPLE = "s3://bucket/prefix"
_QUOTING = "write characters such as @ : / # ? % in a password as %40 %3A %2F %23 %3F %25"
_DRIVERS = frozenset({"sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg"})
_REDIS = frozenset({"redis", "rediss", "sentinel"})
_AMQP = frozenset({"amqp", "amqps", "pyamqp"})
_SOCKET = "redis+socket"
_BUCKET = re.compile(r"s3://[\w.-]+(/(?P<prefix>.*))?", re.ASCII)
_NOT_IN_PREFIX = frozenset('\\{}^%`[]"<>~#|*?')
"""Characters that the object storage library would store under other names."""


def split_url(url: str, *, example: str) -> SplitResult:
    """The parts of a URL that can be split. Python's own function drops line breaks silently.

    Raises:
        ValueError: it cannot be split.
    """
    if " " in url or not url.isprintable():
        raise ValueError(f"it has a space, line break or control character in it; expected e.g. {example}")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises where it is no port
        (parts.hostname or "").encode("idna")
    except ValueError:
        raise ValueError(f"its host or port cannot be read; expected e.g. {example}; {_QUOTING}") from None
    return parts


def check_http_url(url: str, *, example: str, may_hold_password: bool = False) -> SplitResult:
    """Require an http or https URL without query and fragment.

    Raises:
        ValueError: what is wrong with it.
    """
    parts = split_url(url, example=example)
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"it does not begin with http:// or https://; expected e.g. {example}")
    if not parts.hostname:
        raise ValueError(f"it names no host; expected e.g. {example}")
    if "?" in url or "#" in url:
        raise ValueError(f"it has a query (?) or fragment (#); expected e.g. {example}")
    if "@" in parts.netloc and not may_hold_password:
        raise ValueError(
            f"it holds a user name or password, which cannot be used here; expected e.g. {example}"
        )
    return parts


def check_database_url(url: str) -> None:
    """Require the SQLAlchemy URL of a SQLite file or of PostgreSQL by psycopg.

    A client installation has no SQLAlchemy and opens no database; it leaves the value unchecked.

    Raises:
        ValueError: what is wrong with it.
    """
    try:  # the client reads settings too, and starts sooner without it
        from sqlalchemy import make_url
        from sqlalchemy.exc import ArgumentError
    except ModuleNotFoundError:
        return

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError(f"it is not a database URL; expected e.g. {_DATABASE_EXAMPLE}; {_QUOTING}") from None
    if parsed.drivername not in _DRIVERS:
        raise ValueError(f"{parsed.drivername} is not supported; expected e.g. {_DATABASE_EXAMPLE}")
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ValueError("it names no file; expected e.g. sqlite:////path/to/signforge.db")
    if "@" in (parsed.host or ""):
        raise ValueError(f"its host has an @ in it; {_QUOTING}")


def check_broker_url(url: str) -> None:
    """Require the URL of Redis, Valkey or RabbitMQ, or several separated by semicolons.

    Raises:
        ValueError: what is wrong with it.
    """
    for one in url.split(";"):
        _check_one_broker(one)


def check_bucket_url(url: str) -> tuple[str, str]:
    """Require `s3://bucket` or `s3://bucket/prefix`; returns bucket and prefix.

    Raises:
        ValueError: what is wrong with it.
    """
    match = _BUCKET.fullmatch(url)
    if match is None:
        raise ValueError(f"it is not an address of a bucket; expected e.g. {_BUCKET_EXAMPLE}")
    prefix = (match["prefix"] or "").rstrip("/")
    bad = sorted(
        {character for character in prefix if character in _NOT_IN_PREFIX or not character.isprintable()}
    )
    if bad:
        raise ValueError(f"its prefix has {', '.join(map(repr, bad))}, which object names here cannot have")
    if prefix and not set(prefix.split("/")).isdisjoint({"", ".", ".."}):
        raise ValueError("its prefix has an empty part, a . or a ..; expected e.g. " + _BUCKET_EXAMPLE)
    return url.removeprefix("s3://").split("/")[0], prefix


def _check_one_broker(url: str) -> None:
    parts = split_url(url, example=_BROKER_EXAMPLE)
    known = {*_REDIS, *_AMQP, _SOCKET}
    scheme = url.partition("://")[0]  # as it is written: the broker libraries distinguish case
    if scheme not in known or "://" not in url:
        raise ValueError(f"it does not begin with {_choice(known)}; expected e.g. {_BROKER_EXAMPLE}")
    if parts.scheme == _SOCKET and (parts.netloc or len(parts.path) < 2):
        raise ValueError(f"it names no absolute path; expected e.g. {_SOCKET}:///run/valkey.sock")
    if parts.scheme in _REDIS and not re.fullmatch(r"/?\d*", parts.path, re.ASCII):
        raise ValueError(f"its database is not a number; expected e.g. {_BROKER_EXAMPLE}")
    if parts.fragment:
        raise ValueError(f"it has a # in it; {_QUOTING}")


def _choice(schemes: Collection[str]) -> str:
    return ", ".join(f"{scheme}://" for scheme in sorted(schemes))
