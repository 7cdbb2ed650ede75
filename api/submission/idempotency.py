"""`Idempotency-Key` support: a repeated creation request returns the first result.

The key's row is written in the same transaction as the creation, so both exist or neither.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar, cast

from fastapi import Header, Response
from sqlalchemy import Engine, Table, bindparam, select, update
from sqlalchemy.orm import Session

from api.problems import Problem
from core.jobs.database import insert, now, transaction
from core.jobs.tables.access import IdempotencyKeyRow
from core.jobs.tables.artifacts import UploadRow
from core.jobs.tables.jobs import JobRow

REPLAYED_HEADER = "Idempotency-Replayed"

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        description="Any unique text. Repeating the same request with the same key returns the resource that "
        "the first request created.",
    ),
]


RowT = TypeVar("RowT", JobRow, UploadRow)

_KEYS = cast(Table, IdempotencyKeyRow.__table__)
"""Plain columns take a third of the time of rows."""
_THIS = _KEYS.c.owner == bindparam("of_owner"), _KEYS.c.key == bindparam("of_key")
_FIND = select(_KEYS).where(*_THIS)
_COMPLETE = update(_KEYS).where(*_THIS).values(resource_id=bindparam("id_of_row"))


@dataclass(frozen=True)
class Created(Generic[RowT]):
    """A created resource, or the one that an earlier request with the same key created."""

    resource_id: str
    row: RowT | None
    """The row that was created now."""

    @property
    def replayed(self) -> bool:
        """Whether an earlier request created it."""
        return self.row is None

    def mark(self, response: Response) -> None:
        """Set the replay header of the response, if this is a replay."""
        if self.replayed:
            response.headers[REPLAYED_HEADER] = "true"


def create_once(
    engine: Engine, *, owner: str, key: str | None, content: str, create: Callable[[Session], RowT]
) -> Created[RowT]:
    """Run `create`, which returns a new row, unless `owner` has already used `key`.

    `content` is what the request asks for. A key cannot be used again for other content.

    Raises:
        Problem: the key was used with other content (422).
    """
    if key is None:
        with transaction(engine) as session:
            row = create(session)
            return Created(row.id, row)
    digest = hashlib.sha256(content.encode()).hexdigest()
    with transaction(engine) as session:
        if not _reserve(session, owner, key, digest):
            return Created(_created_earlier(session, owner, key, digest), None)
        row = create(session)
        session.execute(_COMPLETE, {"of_owner": owner, "of_key": key, "id_of_row": row.id})
        return Created(row.id, row)


def _reserve(session: Session, owner: str, key: str, digest: str) -> bool:
    """Write the row of a new key. False if it has one.

    On PostgreSQL this waits while another request with the same key is being served.
    """
    row = {
        "owner": owner,
        "key": key,
        "request_sha256": digest,
        "resource_id": "",
        "created_at": now(session),
    }
    new = insert(session, IdempotencyKeyRow).on_conflict_do_nothing().returning(_KEYS.c.key)
    return session.scalar(new, row) is not None


def _created_earlier(session: Session, owner: str, key: str, digest: str) -> str:
    """Id of what the first request with this key created.

    Raises:
        Problem: it was a request for something else (422).
    """
    known = session.execute(_FIND, {"of_owner": owner, "of_key": key}).one()
    if known.request_sha256 != digest:
        detail = (
            f"Idempotency-Key {key!r} was used for another request, which created {known.resource_id}. "
            "Use a new key for a new request."
        )
        raise Problem(422, "idempotency-key-reused", detail)
    return str(known.resource_id)
