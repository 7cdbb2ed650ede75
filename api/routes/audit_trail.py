"""Audit trail route: list all changing requests, for administrators."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import select

from api.auth import Admin
from api.bounded_json import BoundedJsonRoute
from api.paging import PageQuery, link_next, page_of
from api.schemas.base import Page
from api.schemas.library import AuditEntryResponse
from api.service import ServiceOf
from core.jobs.database import reading
from core.jobs.tables.access import AuditEntryRow
from core.specs.fields import Name

router = APIRouter(tags=["audit trail"], route_class=BoundedJsonRoute)
AuditPage = Page[AuditEntryResponse]
"""One page of the audit trail."""


class AuditQuery(PageQuery):
    """Which entries to list."""

    owner: Name | None = None
    """Only requests with an API key of this owner."""
    action: Name | None = None
    """Only this operation, by its `operationId` in the OpenAPI document."""


@router.get("/audit-trail")
def list_audit_entries(
    request: Request,
    response: Response,
    query: Annotated[AuditQuery, Query()],
    _: Admin,
    service: ServiceOf,
) -> AuditPage:
    """List all changing requests of all owners, newest first, including refused ones.

    Requests refused by the rate limit are in the log only, so that they do not load the database.
    """
    these = select(AuditEntryRow)
    if query.owner is not None:
        these = these.where(AuditEntryRow.owner == query.owner)
    if query.action is not None:
        these = these.where(AuditEntryRow.action == query.action)
    with reading(service.engine) as session:
        rows, next_cursor = page_of(session, these, AuditEntryRow, query)
    link_next(request, response, next_cursor)
    entries = [AuditEntryResponse.model_validate(row) for row in rows]
    return AuditPage(data=entries, next_cursor=next_cursor, has_more=next_cursor is not None)
