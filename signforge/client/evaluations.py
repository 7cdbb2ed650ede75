"""`client.evaluations`: read the scores of encoders on corpora."""

import builtins

from signforge.client.models import Evaluation
from signforge.client.transport import lists
from signforge.client.transport.connection import Connection, path_of


class Evaluations:
    """Scores that evaluation jobs made.

    Every method may raise `ApiError` (the service refused) and `ConnectionFailed` (it does not answer).
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self, *, encoder: str | None = None, corpus: str | None = None) -> builtins.list[Evaluation]:
        """List evaluations, newest first, without their tables.

        Args:
            encoder: only of this encoder (id), or of every version of this name.
            corpus: only on this corpus (id or name).
        """
        found = lists.paged(self._connection, "/v1/evaluations", Evaluation, encoder=encoder, corpus=corpus)
        return list(found)

    def get(self, evaluation_id: str) -> Evaluation:
        """Look up one evaluation, with its tables of glosses, signers and clips, and its confusions.

        Raises:
            ApiError: there is none (404).
        """
        answer = self._connection.request("GET", path_of("evaluations", evaluation_id))
        return Evaluation.model_validate(answer.json())
