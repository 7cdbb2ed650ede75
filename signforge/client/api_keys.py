"""`client.api_keys`: create, rotate and revoke API keys, for administrators."""

import builtins
from collections.abc import Sequence
from datetime import datetime

from signforge.client.models import ApiKey
from signforge.client.transport import lists
from signforge.client.transport.connection import Connection, path_of


class ApiKeys:
    """API keys; every method needs the scope `admin`.

    Every method may raise `ApiError` (the service refused; 403 without the scope) and `ConnectionFailed`
    (it does not answer).
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(
        self,
        owner: str,
        *,
        scopes: Sequence[str] = ("read", "submit"),
        name: str | None = None,
        expires_at: datetime | None = None,
    ) -> ApiKey:
        """Create an API key.

        Args:
            owner: whose key it is; owners see only what is theirs.
            scopes: what it may do, of `read`, `submit` and `admin`.
            name: what it is for.
            expires_at: when it stops working; never by default.

        Returns:
            The key; its `api_key` is shown this once.
        """
        expiry = expires_at.isoformat() if expires_at is not None else None
        body = {"owner": owner, "scopes": [*scopes], **lists.given(name=name, expires_at=expiry)}
        response = self._connection.request("POST", "/v1/api-keys", repeatable=False, json=body)
        return ApiKey.model_validate(response.json())

    def rotate(self, api_key_id: str, *, grace_seconds: float | None = None) -> ApiKey:
        """Create an API key in place of another.

        Args:
            api_key_id: the key to replace.
            grace_seconds: how long that one still works; a day by default.

        Returns:
            The new key; its `api_key` is shown this once.

        Raises:
            ApiError: there is no such key (404), or it no longer works (409).
        """
        path, body = path_of("api-keys", api_key_id, "rotate"), lists.given(grace_seconds=grace_seconds)
        return ApiKey.model_validate(
            self._connection.request("POST", path, repeatable=False, json=body).json()
        )

    def list(self) -> builtins.list[ApiKey]:
        """List all API keys, without the keys themselves."""
        return lists.whole(self._connection, "/v1/api-keys", ApiKey)

    def revoke(self, api_key_id: str) -> None:
        """Stop an API key from working, at once."""
        self._connection.request("DELETE", path_of("api-keys", api_key_id))
