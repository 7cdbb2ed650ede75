"""`client.recipes`: the named configurations that a pretraining may start from."""

import builtins

from signforge.client.models import Recipe
from signforge.client.transport import lists
from signforge.client.transport.connection import Connection


class Recipes:
    """Recipes of the service.

    Every method may raise `ApiError` (the service refused) and `ConnectionFailed` (it does not answer).
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self) -> builtins.list[Recipe]:
        """List all recipes, with the hardware, hours and score to expect."""
        return lists.whole(self._connection, "/v1/recipes", Recipe)
