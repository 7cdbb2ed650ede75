"""`Idempotency-Key` support: a repeated creation request returns the first result.

The key's row is written in the same transaction as the creation, so both exist or neither.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Header, Response
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from api.problems import Problem
from core.jobs.database import now, transaction
from core.jobs.tables.access import IdempotencyKeyRow

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


@dataclass(frozen=True)
class Created:
    """A created resource, or the one that an earlier request with the same key created."""

    resource_id: str
    replayed: bool

    def mark(self, response: Response) -> None:
        """Set the replay header of the response, if this is a replay."""
        if self.replayed:
            response.headers[REPLAYED_HEADER] = "true"


def create_once(
    engine: Engine, *, owner: str, key: str | None, content: str, create: Callable[[Session], str]
) -> Created:
    """Run `create`, which returns an id, unless `owner` has already used `key`.

    `content` is what the request asks for. A key cannot be used again for other content.

    Raises:
        Problem: the key was used with other content (422).
    """
    if key is None:
        with transaction(engine) as session:
            return Created(create(session), replayed=False)
    digest = hashlib.sha256(content.encode()).hexdigest()
    try:
        return _create_under_key(engine, (owner, key), digest, create)
    except IntegrityError:  # another request with this key committed in between
        return _create_under_key(engine, (owner, key), digest, create)


def _create_under_key(
    engine: Engine, identity: tuple[str, str], digest: str, create: Callable[[Session], str]
) -> Created:
    with transaction(engine) as session:
        known = session.get(IdempotencyKeyRow, identity)
        if known is not None:
            _require_same(known, digest)
            return Created(known.resource_id, replayed=True)
        owner, key = identity
        row = IdempotencyKeyRow(
            owner=owner, key=key, request_sha256=digest, resource_id="", created_at=now(session)
        )
        session.add(row)
        session.flush()  # on PostgreSQL this waits for a concurrent duplicate, and fails if that commits
        row.resource_id = create(session)
        return Created(row.resource_id, replayed=False)


def _require_same(known: IdempotencyKeyRow, digest: str) -> None:
    if known.request_sha256 != digest:
        detail = (
            f"Idempotency-Key {known.key!r} was used for another request, which created {known.resource_id}. "
            "Use a new key for a new request."
        )
        raise Problem(422, "idempotency-key-reused", detail)
