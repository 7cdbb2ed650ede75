"""Request and response bodies about webhooks."""

from datetime import datetime
from typing import Any, Self

from pydantic import HttpUrl

from api.schemas.base import GraceSeconds, Sent
from core.jobs.tables.access import WebhookRow
from core.jobs.webhooks.notifying import DeliveryState
from core.specs.fields import Closed


class WebhookRequest(Closed):
    """A new webhook."""

    url: HttpUrl
    """URL that receives messages by POST: http or https, without credentials, at a public address. Redirects
    are not followed."""


class WebhookRotationRequest(Closed):
    """Options of a webhook secret rotation."""

    grace_seconds: GraceSeconds = 86_400.0
    """How long messages are also signed with the old secret. 0 stops it at once."""


class WebhookResponse(Sent):
    """A webhook, without its secret."""

    id: str
    """`whk_...`"""
    url: str
    """URL that receives the messages."""
    created_at: datetime
    """When the webhook was created."""
    failing_since: datetime | None
    """Since when deliveries fail. Null if the last one succeeded."""
    disabled_at: datetime | None
    """When it was disabled, because it failed for too long or the receiver responded with 410."""
    disabled_reason: str | None
    """Why it was disabled."""
    links: dict[str, str]
    """URLs of related resources."""

    @classmethod
    def of(cls, row: WebhookRow, **more: Any) -> Self:
        """The response body of one row."""
        here = f"/v1/webhooks/{row.id}"
        own = {name: getattr(row, name) for name in WebhookResponse.model_fields if name != "links"}
        return cls(**own, links={"self": here, "deliveries": f"{here}/deliveries"}, **more)


class WebhookCreatedResponse(WebhookResponse):
    """A webhook with a new secret, which is shown only once."""

    secret: str
    """`whsec_...`. The receiver verifies signatures with it (standardwebhooks.com)."""


class WebhookDeliveryResponse(Sent):
    """A message of a webhook and the state of its delivery."""

    id: str
    """`msg_...`, also in the header `webhook-id`. It is the same in every attempt, for deduplication."""
    type: str
    """`job.state` or `webhook.test`."""
    state: DeliveryState
    """`pending` until it is delivered or given up (`failed`)."""
    attempts: int
    """Number of delivery attempts so far."""
    status: int | None
    """HTTP status of the receiver's last response. Null if there was no response."""
    error: str | None
    """Error of the last attempt."""
    payload: dict[str, Any]
    """Body of the message: `type`, `timestamp` and `data`. For a job, `data` has its id, kind and name, and
    the event's data."""
    created_at: datetime
    """When the change happened."""
    attempted_at: datetime | None
    """Time of the last attempt."""
    next_at: datetime | None
    """Time of the next attempt."""
    delivered_at: datetime | None
    """When the message was delivered."""
