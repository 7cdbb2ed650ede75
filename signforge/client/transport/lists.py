"""Reading the service's lists as models."""

from collections.abc import Iterator
from typing import Any, TypeVar

from signforge.client.models import Metric, Reply
from signforge.client.transport.connection import Connection

ReplyT = TypeVar("ReplyT", bound=Reply)

_PAGE = 100


def whole(connection: Connection, path: str, reply: type[ReplyT]) -> list[ReplyT]:
    """A list that comes in one piece."""
    return [reply.model_validate(item) for item in connection.request("GET", path).json()["data"]]


def paged(
    connection: Connection, path: str, reply: type[ReplyT], *, limit: int | None = None, **filters: Any
) -> Iterator[ReplyT]:
    """At most `limit` items of a list that comes in pages; filters that are None are left out."""
    params, num_read = given(**filters), 0
    while limit is None or num_read < limit:
        params["limit"] = _PAGE if limit is None else min(limit - num_read, _PAGE)
        page = connection.request("GET", path, params=params).json()
        for item in page["data"]:
            yield reply.model_validate(item)
        num_read += len(page["data"])
        if not page["has_more"]:
            return
        params["cursor"] = page["next_cursor"]


def metrics(
    connection: Connection, path: str, *, name: str | None, after_step: int | None
) -> Iterator[Metric]:
    """Numbers by step; pages end with whole steps."""
    params = given(name=name, after_step=after_step)
    while True:
        page = connection.request("GET", path, params=params).json()
        for item in page["data"]:
            yield Metric.model_validate(item)
        if not page["has_more"]:
            return
        params["after_step"] = page["next_after_step"]


def given(**values: Any) -> dict[str, Any]:
    """The values that are not None."""
    return {name: value for name, value in values.items() if value is not None}
