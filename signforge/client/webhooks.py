"""`client.webhooks`: have a URL called at every state change of your jobs."""

import builtins

from signforge.client.models import Webhook, WebhookDelivery
from signforge.client.transport import lists
from signforge.client.transport.connection import Connection, path_of


class Webhooks:
    """Webhooks and their deliveries.

    Every method may raise `ApiError` (the service refused) and `ConnectionFailed` (it does not answer).
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(self, url: str) -> Webhook:
        """Have `url` called at every state change of your jobs.

        Returns:
            The webhook; its `secret`, which signs the deliveries, is shown this once.

        Raises:
            ApiError: the service does not deliver to this URL (422).
        """
        response = self._connection.request("POST", "/v1/webhooks", repeatable=False, json={"url": url})
        return Webhook.model_validate(response.json())

    def list(self) -> builtins.list[Webhook]:
        """List all webhooks, newest first, without their secrets."""
        return list(lists.paged(self._connection, "/v1/webhooks", Webhook))

    def test(self, webhook_id: str) -> WebhookDelivery:
        """Send a test delivery, once; one that arrives enables a disabled webhook again.

        Raises:
            ApiError: there is no such webhook (404).
        """
        path = path_of("webhooks", webhook_id, "test")
        return WebhookDelivery.model_validate(self._connection.request("POST", path, repeatable=False).json())

    def deliveries(self, webhook_id: str, *, limit: int | None = None) -> builtins.list[WebhookDelivery]:
        """List the deliveries of a webhook, newest first.

        Args:
            webhook_id: the webhook.
            limit: at most this many; all of them by default.
        """
        path = path_of("webhooks", webhook_id, "deliveries")
        return list(lists.paged(self._connection, path, WebhookDelivery, limit=limit))

    def rotate_secret(self, webhook_id: str, *, grace_seconds: float | None = None) -> Webhook:
        """Give a webhook a new secret.

        Args:
            webhook_id: the webhook.
            grace_seconds: how long the old secret signs too; the service's default if not given.

        Returns:
            The webhook; its new `secret` is shown this once.

        Raises:
            ApiError: there is no such webhook (404).
        """
        path, body = path_of("webhooks", webhook_id, "rotate"), lists.given(grace_seconds=grace_seconds)
        response = self._connection.request("POST", path, repeatable=False, json=body)
        return Webhook.model_validate(response.json())

    def delete(self, webhook_id: str) -> None:
        """Delete a webhook with its deliveries."""
        self._connection.request("DELETE", path_of("webhooks", webhook_id))
