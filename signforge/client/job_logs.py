"""Reading and following what a job's programs wrote to standard error."""

from collections.abc import Callable, Iterator

from signforge.client.models import LogPage
from signforge.client.transport.connection import Connection, path_of
from signforge.client.transport.lists import given

_LOOK_SECONDS = 0.5


def stored(connection: Connection, job_id: str, attempt: int | None) -> Iterator[LogPage]:
    """The pages of one attempt's log that are stored now."""
    offset = 0
    while True:
        page = _page(connection, job_id, attempt, offset)
        yield page
        if not page.has_more:
            return
        attempt, offset = page.attempt, page.next_offset


def followed(
    connection: Connection, job_id: str, attempt: int | None, *, is_over: Callable[[], bool]
) -> Iterator[LogPage]:
    """The same and what is added, over all further attempts, or to the end of the one that is named.

    `is_over` asks the service whether the job has ended.
    """
    current, offset = attempt, 0
    while True:
        over = is_over()  # asked first, so that what was written until then is read after it
        page = _page(connection, job_id, current, offset)
        if page.data:
            yield page
        if page.has_more:
            current, offset = page.attempt, page.next_offset
        elif attempt is None and page.attempt < page.newest_attempt:
            current, offset = page.attempt + 1, 0
        elif over or (attempt is not None and page.is_over):
            return
        else:
            current, offset = page.attempt or attempt, page.next_offset
            connection.sleep(_LOOK_SECONDS)


def _page(connection: Connection, job_id: str, attempt: int | None, offset: int) -> LogPage:
    params = {"offset": offset, **given(attempt=attempt)}
    answer = connection.request("GET", path_of("jobs", job_id, "logs"), params=params, patient=True)
    return LogPage.model_validate(answer.json())
