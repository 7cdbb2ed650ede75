"""What the API sends and takes about webhooks."""

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
    """Where messages are sent by POST: http or https, without credentials, at a public address. Redirects are
    not followed."""


class WebhookRotationRequest(Closed):
    """How a webhook's secret makes way for a new one."""

    grace_seconds: GraceSeconds = 86_400.0
    """How long messages are signed with the old secret too; 0 ends it at once."""


class WebhookResponse(Sent):
    """A webhook, without its secret."""

    id: str
    """`whk_...`"""
    url: str
    """Where messages are sent."""
    created_at: datetime
    """When it was made."""
    failing_since: datetime | None
    """Since when nothing has arrived, if something failed last."""
    disabled_at: datetime | None
    """When it was disabled, for failing too long or because the receiver answered 410."""
    disabled_reason: str | None
    """Why."""
    links: dict[str, str]
    """Where to go from here."""

    @classmethod
    def of(cls, row: WebhookRow, **more: Any) -> Self:
        """The webhook of one row."""
        here = f"/v1/webhooks/{row.id}"
        own = {name: getattr(row, name) for name in WebhookResponse.model_fields if name != "links"}
        return cls(**own, links={"self": here, "deliveries": f"{here}/deliveries"}, **more)


class WebhookCreatedResponse(WebhookResponse):
    """A webhook with a new secret, shown this once."""

    secret: str
    """`whsec_...`: give it to the receiver, to verify signatures with (standardwebhooks.com)."""


class WebhookDeliveryResponse(Sent):
    """A message of a webhook, and what became of it."""

    id: str
    """`msg_...`, in the header `webhook-id`: the same in every attempt, so receivers can drop doubles."""
    type: str
    """`job.state`, or `webhook.test`."""
    state: DeliveryState
    """`pending` until it is delivered or given up (`failed`)."""
    attempts: int
    """How often it was sent."""
    status: int | None
    """What the receiver answered last; null where there was no answer."""
    error: str | None
    """What went wrong last."""
    payload: dict[str, Any]
    """What is sent: `type`, `timestamp` and `data`; for a job its id, kind, name, and the event's data."""
    created_at: datetime
    """When the change happened."""
    attempted_at: datetime | None
    """When it was last sent."""
    next_at: datetime | None
    """When it is sent next."""
    delivered_at: datetime | None
    """When it arrived."""
