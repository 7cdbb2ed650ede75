"""Things that are found by their id or their name: corpora and encoders."""

import builtins
from typing import Generic

from signforge.client.errors import ApiError
from signforge.client.transport import lists
from signforge.client.transport.connection import Connection, path_of
from signforge.client.transport.lists import ReplyT
from signforge.client.transport.unknown_names import COLLECTIONS


class NamedCollection(Generic[ReplyT]):
    """One collection of the service whose items have an id that begins with `prefix`, and a name."""

    def __init__(self, connection: Connection, collection: str, reply: type[ReplyT], *, prefix: str) -> None:
        self._connection = connection
        self._collection = collection
        self._reply = reply
        self._prefix = prefix

    def list(self) -> builtins.list[ReplyT]:
        """List all items, newest first."""
        return list(lists.paged(self._connection, path_of(self._collection), self._reply))

    def get(self, wanted: str) -> ReplyT:
        """Return the item whose id, or else whose name, is `wanted`; of a name's versions the newest.

        Raises:
            ApiError: there is none (404); the message names close ones.
        """
        path = path_of(self._collection, self._id_of(wanted))
        return self._reply.model_validate(self._connection.request("GET", path).json())

    def delete(self, wanted: str) -> ReplyT:
        """Delete the item that `get` returns, and return it.

        Raises:
            ApiError: a job that has not ended needs it (409), or there is none (404).
        """
        identifier = self._id_of(wanted)
        found = self.get(identifier)
        self._connection.request("DELETE", path_of(self._collection, identifier))
        return found

    def _id_of(self, wanted: str) -> str:
        if wanted.startswith(self._prefix):
            return wanted
        params = {"name": wanted, "limit": 1}
        found = self._connection.request("GET", path_of(self._collection), params=params).json()["data"]
        if found:
            return str(found[0]["id"])
        detail = f"You have no {COLLECTIONS[self._collection].noun} {wanted!r}."
        detail += self._connection.unknown_name(self._collection, wanted)
        raise ApiError(404, title="Not found", detail=detail, request_id=None)
