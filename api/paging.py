"""Pagination of lists, newest first, with keyset cursors on (created_at, id).

A cursor names the last row of a page, so rows added or deleted between two requests do not shift pages.
"""

import base64
import binascii
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Select, literal, tuple_
from sqlalchemy.orm import Session

from api.problems import Problem, unfit
from core.jobs.tables.access import AuditEntryRow, WebhookDeliveryRow, WebhookRow
from core.jobs.tables.artifacts import CorpusRow, EncoderRow, EvaluationRow
from core.jobs.tables.jobs import JobRow

RowT = TypeVar(
    "RowT", JobRow, CorpusRow, EncoderRow, EvaluationRow, AuditEntryRow, WebhookRow, WebhookDeliveryRow
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

LARGEST_NUMBER = 2**53 - 1
"""The largest integer that every database and every JSON reader represents exactly."""


class PageQuery(BaseModel):
    """Which page of a list to return."""

    model_config = ConfigDict(use_attribute_docstrings=True)  # FastAPI reads them before it asks for a schema

    limit: Annotated[int, Field(ge=1, le=200)] = 50
    """Maximum number of items on a page."""
    cursor: Annotated[str, Field(json_schema_extra={"pattern": "^[A-Za-z0-9_-]+$"})] | None = None
    """`next_cursor` of the previous page. Omit it for the first page."""


def page_of(
    session: Session, query: Select[Any], row_type: type[RowT], page: PageQuery
) -> tuple[list[RowT], str | None]:
    """Return one page of `query`, newest first, and the cursor of the next page or None."""
    if page.cursor is not None:
        created_at, identifier = decode_cursor(page.cursor)
        after = tuple_(literal(created_at, row_type.created_at.type), literal(identifier))
        query = query.where(tuple_(row_type.created_at, row_type.id) < after)
    query = query.order_by(row_type.created_at.desc(), row_type.id.desc()).limit(page.limit + 1)
    rows = list(session.scalars(query))
    if len(rows) <= page.limit:
        return rows, None
    last = rows[page.limit - 1]
    return rows[: page.limit], encode_cursor(last.created_at, last.id)


def encode_cursor(created_at: datetime, identifier: str) -> str:
    """Encode the cursor of a row, exact to the microsecond."""
    text = f"{(created_at - _EPOCH) // _MICROSECOND}:{identifier}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[datetime, str]:
    """Decode a cursor made by `encode_cursor`.

    Raises:
        Problem: it is not a cursor of this API (422).
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        microseconds, identifier = base64.b64decode(padded, altchars=b"-_", validate=True).decode().split(":")
        created_at = _EPOCH + int(microseconds) * _MICROSECOND
    except (binascii.Error, ValueError, OverflowError):
        raise _unknown(cursor) from None
    if "\0" in identifier:
        raise _unknown(cursor)
    return created_at, identifier


def link_next(request: Request, response: Response, next_cursor: str | None) -> None:
    """Add `Link: <...>; rel="next"` if there is a next page. The URL is relative, to work behind proxies."""
    if next_cursor is not None:
        following = request.url.include_query_params(cursor=next_cursor)
        response.headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'


def _unknown(cursor: str) -> Problem:
    detail = (
        f"{cursor[:40]!r} is not a cursor. Send `next_cursor` of the previous page, or omit `cursor` for the "
        "first page."
    )
    return unfit("/cursor", detail, location="query")
