"""The part of the client that is for administrators: API keys."""

from datetime import datetime

from signforge.client import lists
from signforge.client.connection import Connection
from signforge.client.models import ApiKey


class Administration:
    """What `Client` can do for an administrator; everything here needs the scope `admin`."""

    _connection: Connection

    def create_api_key(
        self,
        owner: str,
        *,
        scopes: tuple[str, ...] = ("read", "submit"),
        name: str | None = None,
        expires_at: datetime | None = None,
    ) -> ApiKey:
        """Make an API key; its `api_key` is shown this once. Needs the scope `admin`."""
        expiry = expires_at.isoformat() if expires_at is not None else None
        body = {"owner": owner, "scopes": list(scopes), **lists.given(name=name, expires_at=expiry)}
        response = self._connection.request("POST", "/v1/api-keys", repeatable=False, json=body)
        return ApiKey.model_validate(response.json())

    def rotate_api_key(self, api_key_id: str, *, grace_seconds: float | None = None) -> ApiKey:
        """Make a new API key in place of one, which works for `grace_seconds` (a day) more.

        Needs the scope `admin`; the new `api_key` is shown this once.
        """
        path, body = f"/v1/api-keys/{api_key_id}/rotate", lists.given(grace_seconds=grace_seconds)
        return ApiKey.model_validate(
            self._connection.request("POST", path, repeatable=False, json=body).json()
        )

    def api_keys(self) -> list[ApiKey]:
        """All API keys, without their secrets. Needs the scope `admin`."""
        return lists.whole(self._connection, "/v1/api-keys", ApiKey)

    def revoke_api_key(self, api_key_id: str) -> None:
        """Make an API key useless at once. Needs the scope `admin`."""
        self._connection.request("DELETE", f"/v1/api-keys/{api_key_id}")
