"""`client.checkpoints`: keep or delete the checkpoints of jobs; `client.jobs.checkpoints` lists them."""

from signforge.client.models import Checkpoint
from signforge.client.transport.connection import Connection, path_of


class Checkpoints:
    """Committed checkpoints: states from which a job can continue.

    Every method may raise `ApiError` (the service refused) and `ConnectionFailed` (it does not answer).
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def pin(self, checkpoint_id: str) -> Checkpoint:
        """Keep a checkpoint when newer ones replace it. Repeating it is harmless."""
        return self._act(checkpoint_id, "pin")

    def unpin(self, checkpoint_id: str) -> Checkpoint:
        """Let newer checkpoints replace this one again. Repeating it is harmless."""
        return self._act(checkpoint_id, "unpin")

    def delete(self, checkpoint_id: str) -> None:
        """Delete a checkpoint; an encoder taken from it stays. Repeating it is harmless.

        Raises:
            ApiError: its job, or a retry of that, has not ended (409), or there is none (404).
        """
        self._connection.request("DELETE", path_of("checkpoints", checkpoint_id))

    def _act(self, checkpoint_id: str, action: str) -> Checkpoint:
        answer = self._connection.request("POST", path_of("checkpoints", checkpoint_id, action))
        return Checkpoint.model_validate(answer.json())
