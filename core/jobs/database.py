"""Opening the database, its transactions and its clock. SQLite and PostgreSQL alike."""

import fcntl
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary

import sqlalchemy
from sqlalchemy import (
    URL,
    Connection,
    Engine,
    ExceptionContext,
    Insert,
    Table,
    create_engine,
    event,
    func,
    make_url,
    select,
)
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Session

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

BUSY_SECONDS = 10
"""How long a SQLite connection waits for another writer."""
_POSTGRES_TIMEOUTS = {"connect_timeout": 10, "keepalives_idle": 30, "tcp_user_timeout": 20_000}
"""Seconds, seconds, milliseconds: a server that vanished without a word is noticed."""
_POSTGRES_IDLE_SECONDS = 30
"""A client that vanished or sleeps in the middle of a transaction holds its locks no longer than this."""
_AWAY = frozenset({"25P03", "25006"})
"""What PostgreSQL answers to a client whose transaction it ended for that, and to one that wants to write
while it may only read, such as after another server has taken over."""

_turns: "WeakKeyDictionary[Engine, threading.Lock]" = WeakKeyDictionary()
"""Of each SQLite database: held by the thread that writes."""


def open_database(url: str) -> Engine:
    """Return an engine for `url`.

    SQLite files are put into WAL mode with full synchronisation, so that a committed job survives a power
    cut; their folder is made. PostgreSQL connections are tried before use. SQLAlchemy keeps values out of its
    messages, which end in logs: some are secrets.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return _open_server(parsed)
    if parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        parsed,
        connect_args={"timeout": BUSY_SECONDS},
        hide_parameters=True,
        pool_size=10,
        max_overflow=20,
        pool_timeout=BUSY_SECONDS,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    _turns[engine] = threading.Lock()
    return engine


def cannot_be_used(url: str, error: Exception) -> str:
    """Return the message for a database that cannot be opened, without its password."""
    cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    return f"The database {shown(url)} cannot be used: {cause}. Check SIGNFORGE_DATABASE_URL."


def shown(url: str | URL) -> str:
    """The URL of a database for a message, without its password and query, which may hold secrets."""
    try:
        return make_url(url).set(query={}).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return "URL"


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """A session in one writing transaction: committed at the end, rolled back on an exception.

    On SQLite it begins with BEGIN IMMEDIATE, so writers queue up instead of failing half way. Threads of one
    process take turns before they ask SQLite, whose waiting is to sleep and look again.
    Rows stay readable after the commit.
    """
    with _turn_of(engine), Session(engine, expire_on_commit=False) as session, session.begin():
        yield session


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A session in one transaction that only reads, and so never waits for a writer."""
    with Session(engine.execution_options(reads_only=True), expire_on_commit=False) as session:
        yield session


def now(session: Session) -> datetime:
    """The database's clock: PostgreSQL's own, for SQLite the host's, which all its users share."""
    if session.get_bind().dialect.name == "postgresql":
        return session.execute(select(func.clock_timestamp())).scalar_one().astimezone(UTC)
    return datetime.now(UTC)


def insert(session: Session, table: type[DeclarativeBase]) -> "postgresql.Insert | sqlite.Insert":
    """An INSERT of plain columns that may be followed by ON CONFLICT, of the session's dialect.

    Only that dialect is loaded.
    """
    plain = cast("Table", table.__table__)
    if session.get_bind().dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(plain)
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(plain)


def insert_rows(session: Session, table: type[DeclarativeBase], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows in one statement, as plain columns, for rows that this session does not read again."""
    session.execute(_plain_insert(table), rows)


@cache
def _plain_insert(table: type[DeclarativeBase]) -> Insert:
    return sqlalchemy.insert(cast("Table", table.__table__))


def lock_name(session: Session, name: str) -> None:
    """Wait until no other transaction holds `name`, and hold it to the end of this one.

    For "the next version of a name", where there is no row to lock yet. A writing SQLite transaction
    already has the whole database to itself.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


@contextmanager
def _turn_of(engine: Engine) -> Iterator[None]:
    """Hold the turn to write to a SQLite database; after BUSY_SECONDS go on, and let SQLite decide."""
    turn = _turns.get(engine)
    if turn is None:
        yield
        return
    held = turn.acquire(timeout=BUSY_SECONDS)
    try:
        yield
    finally:
        if held:
            turn.release()


def _open_server(url: URL) -> Engine:
    is_postgres = url.get_backend_name() == "postgresql"
    connecting = _POSTGRES_TIMEOUTS if is_postgres else {}
    engine = create_engine(
        url,
        pool_pre_ping=True,
        pool_size=10,
        max_overflow=20,
        connect_args=connecting,
        hide_parameters=True,
    )
    if is_postgres:
        event.listen(engine, "connect", _prepare_postgres)
        event.listen(engine, "handle_error", _call_it_away)
    return engine


def _prepare_postgres(connection: Any, _record: Any) -> None:
    connection.execute(f"SET idle_in_transaction_session_timeout = '{_POSTGRES_IDLE_SECONDS}s'")
    connection.commit()


def _call_it_away(context: ExceptionContext) -> None:
    """A process that slept in a transaction finds it ended: a connection that was lost, not a fault.

    So is one to a server that has become read-only: a new connection may reach the server that took over.
    """
    error = context.original_exception
    if getattr(error, "sqlstate", None) in _AWAY:
        context.is_disconnect = True
        raise OperationalError(context.statement, None, error, connection_invalidated=True) from error


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # the driver's own implicit BEGIN is off; see _begin_sqlite
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA synchronous=FULL")
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        _enter_wal(connection)


def _enter_wal(connection: sqlite3.Connection) -> None:
    """SQLite does not wait its turn for this one change, so a lock file makes it wait."""
    file = connection.execute("PRAGMA database_list").fetchone()[2]
    if not file:
        return
    with Path(f"{file}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        connection.execute("PRAGMA journal_mode=WAL")


def _begin_sqlite(connection: Connection) -> None:
    reads_only = connection.get_execution_options().get("reads_only", False)
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")


def storable(text: str) -> str:
    """The text without what a database cannot keep: NUL, and bytes of file names that are no text."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
