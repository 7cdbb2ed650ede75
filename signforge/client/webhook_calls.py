"""The part of the client that is about webhooks."""

from signforge.client import lists
from signforge.client.connection import Connection
from signforge.client.models import Webhook, WebhookDelivery


class WebhookCalls:
    """What `Client` can do about webhooks."""

    _connection: Connection

    def create_webhook(self, url: str) -> Webhook:
        """Have `url` told of every state change of your jobs; its `secret` is shown this once."""
        response = self._connection.request("POST", "/v1/webhooks", repeatable=False, json={"url": url})
        return Webhook.model_validate(response.json())

    def webhooks(self) -> list[Webhook]:
        """All webhooks, newest first, without their secrets."""
        return list(lists.paged(self._connection, "/v1/webhooks", Webhook))

    def test_webhook(self, webhook_id: str) -> WebhookDelivery:
        """Have a test message sent, once; one that arrives enables a disabled webhook again."""
        response = self._connection.request("POST", f"/v1/webhooks/{webhook_id}/test", repeatable=False)
        return WebhookDelivery.model_validate(response.json())

    def webhook_deliveries(self, webhook_id: str, *, limit: int | None = None) -> list[WebhookDelivery]:
        """The messages of a webhook and what became of them, newest first."""
        path = f"/v1/webhooks/{webhook_id}/deliveries"
        return list(lists.paged(self._connection, path, WebhookDelivery, limit=limit))

    def rotate_webhook_secret(self, webhook_id: str, *, grace_seconds: float | None = None) -> Webhook:
        """Give a webhook a new `secret`, shown this once; the old one signs on for `grace_seconds`."""
        path, body = f"/v1/webhooks/{webhook_id}/rotate", lists.given(grace_seconds=grace_seconds)
        response = self._connection.request("POST", path, repeatable=False, json=body)
        return Webhook.model_validate(response.json())

    def delete_webhook(self, webhook_id: str) -> None:
        """Delete a webhook with its log."""
        self._connection.request("DELETE", f"/v1/webhooks/{webhook_id}")
