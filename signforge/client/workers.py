"""`client.workers`: which workers run jobs, and on which devices."""

import builtins

from signforge.client.models import Worker
from signforge.client.transport import lists
from signforge.client.transport.connection import Connection


class Workers:
    """Workers of the service.

    Every method may raise `ApiError` (the service refused) and `ConnectionFailed` (it does not answer).
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> builtins.list[Worker]:
        """List the workers, the one that reported last first."""
        return lists.whole(self._connection, "/v1/workers", Worker)
