"""Webhook routes: create, list, test, rotate and delete webhooks, and list their deliveries."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import select

from api.auth import Reader, Submitter
from api.bounded_json import BoundedJsonRoute
from api.ownership import owned
from api.paging import PageQuery, link_next, page_of
from api.problems import Problem
from api.schemas.base import Page
from api.schemas.webhooks import (
    WebhookCreatedResponse,
    WebhookDeliveryResponse,
    WebhookRequest,
    WebhookResponse,
    WebhookRotationRequest,
)
from api.service import ServiceOf
from core.jobs.database import now, reading, transaction
from core.jobs.tables.access import WebhookDeliveryRow, WebhookRow
from core.jobs.webhooks import notifying as webhooks
from core.jobs.webhooks.targets import check_url

router = APIRouter(tags=["webhooks"], route_class=BoundedJsonRoute)
MAX_PER_OWNER = 20
_DEFAULT_ROTATION = WebhookRotationRequest()


@router.post("/webhooks", status_code=201)
def create_webhook(
    response: Response, body: WebhookRequest, caller: Submitter, service: ServiceOf
) -> WebhookCreatedResponse:
    """Create a webhook, which sends every state change of your jobs to a URL. The secret is shown once.

    Messages follow Standard Webhooks, with headers `webhook-id`, `webhook-timestamp` and `webhook-signature`.
    Any 2xx within 15 seconds counts as received. Otherwise the message is retried with exponential backoff:
    after about 5 seconds, then three times as long each time, at most a day, for three days.
    """
    url = str(body.url)
    check_url(url, private_allowed=service.settings.webhook_private_targets)
    with transaction(service.engine) as session:
        if webhooks.count_webhooks(session, caller.owner) >= MAX_PER_OWNER:
            detail = f"You have {MAX_PER_OWNER} webhooks, which is the limit. Delete one first."
            raise Problem(409, "too-many-webhooks", detail)
        row = webhooks.create_webhook(session, owner=caller.owner, url=url)
    return _shown_once(response, row)


@router.get("/webhooks")
def list_webhooks(
    request: Request,
    response: Response,
    query: Annotated[PageQuery, Query()],
    caller: Reader,
    service: ServiceOf,
) -> Page[WebhookResponse]:
    """List your webhooks, newest first, without their secrets."""
    these = select(WebhookRow).where(WebhookRow.owner == caller.owner, WebhookRow.deleted_at.is_(None))
    with reading(service.engine) as session:
        rows, next_cursor = page_of(session, these, WebhookRow, query)
    link_next(request, response, next_cursor)
    data = [WebhookResponse.of(row) for row in rows]
    return Page(data=data, next_cursor=next_cursor, has_more=next_cursor is not None)


@router.get("/webhooks/{webhook_id}")
def get_webhook(webhook_id: str, caller: Reader, service: ServiceOf) -> WebhookResponse:
    """Get a webhook, with whether it fails or was disabled."""
    with reading(service.engine) as session:
        return WebhookResponse.of(owned(session, WebhookRow, webhook_id, caller, noun="webhook"))


@router.delete("/webhooks/{webhook_id}", status_code=204)
def delete_webhook(webhook_id: str, caller: Submitter, service: ServiceOf) -> None:
    """Delete a webhook and its deliveries. No more messages are sent. Idempotent."""
    with transaction(service.engine) as session:
        row = owned(session, WebhookRow, webhook_id, caller, noun="webhook", also_deleted=True)
        webhooks.delete_webhook(session, row)


@router.post("/webhooks/{webhook_id}/test", status_code=202)
def test_webhook(webhook_id: str, caller: Submitter, service: ServiceOf) -> WebhookDeliveryResponse:
    """Send one message of type `webhook.test`. Its delivery shows the result.

    A disabled webhook is enabled again when the message is delivered.
    """
    with transaction(service.engine) as session:
        row = owned(session, WebhookRow, webhook_id, caller, noun="webhook")
        data = {"webhook_id": row.id}
        message = webhooks.add_message(session, row.id, webhooks.TEST, data, at=now(session))
        session.flush()
    return WebhookDeliveryResponse.model_validate(message)


@router.post("/webhooks/{webhook_id}/rotate")
def rotate_webhook_secret(
    response: Response,
    webhook_id: str,
    caller: Submitter,
    service: ServiceOf,
    body: WebhookRotationRequest = _DEFAULT_ROTATION,
) -> WebhookCreatedResponse:
    """Rotate a webhook's secret. The new secret is shown once.

    For `grace_seconds` messages are signed with both secrets.
    """
    with transaction(service.engine) as session:
        row = owned(session, WebhookRow, webhook_id, caller, noun="webhook")
        webhooks.rotate_secret(session, row, grace_seconds=body.grace_seconds)
    return _shown_once(response, row)


@router.get("/webhooks/{webhook_id}/deliveries")
def list_deliveries(
    request: Request,
    response: Response,
    webhook_id: str,
    query: Annotated[PageQuery, Query()],
    caller: Reader,
    service: ServiceOf,
) -> Page[WebhookDeliveryResponse]:
    """List a webhook's deliveries, newest first. Old ones are deleted."""
    with reading(service.engine) as session:
        owned(session, WebhookRow, webhook_id, caller, noun="webhook")
        these = select(WebhookDeliveryRow).where(WebhookDeliveryRow.webhook_id == webhook_id)
        rows, next_cursor = page_of(session, these, WebhookDeliveryRow, query)
    link_next(request, response, next_cursor)
    data = [WebhookDeliveryResponse.model_validate(row) for row in rows]
    return Page(data=data, next_cursor=next_cursor, has_more=next_cursor is not None)


def _shown_once(response: Response, row: WebhookRow) -> WebhookCreatedResponse:
    response.headers["Cache-Control"] = "no-store"
    response.headers["Location"] = f"/v1/webhooks/{row.id}"
    return WebhookCreatedResponse.of(row, secret=row.secret)
