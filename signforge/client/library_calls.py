"""The part of the client that looks at what a service keeps: corpora, encoders, scores, recipes."""

from signforge.client import lists
from signforge.client.connection import Connection
from signforge.client.models import Corpus, Evaluation, Recipe, RegisteredEncoder


class LibraryCalls:
    """What `Client` can list, look up and delete."""

    _connection: Connection

    def corpora(self) -> list[Corpus]:
        """All corpora, newest first."""
        return list(lists.paged(self._connection, "/v1/corpora", Corpus))

    def corpus(self, corpus: str) -> Corpus:
        """One corpus, by id or name."""
        return lists.one(self._connection, "/v1/corpora", corpus, Corpus, prefix="cor_")

    def delete_corpus(self, corpus: str) -> Corpus:
        """Delete a corpus, by id or name; returns what it was.

        One that jobs which have not ended need is an `ApiError` 409, as with everything deleted here.
        """
        found = self.corpus(corpus)
        self._connection.request("DELETE", f"/v1/corpora/{found.id}")
        return found

    def delete_upload(self, upload_id: str) -> None:
        """Delete an upload; a corpus made of it stays."""
        self._connection.request("DELETE", f"/v1/uploads/{upload_id}")

    def delete_checkpoint(self, checkpoint_id: str) -> None:
        """Delete a checkpoint; an encoder taken from it stays."""
        self._connection.request("DELETE", f"/v1/checkpoints/{checkpoint_id}")

    def encoders(self) -> list[RegisteredEncoder]:
        """All encoders, newest first."""
        return list(lists.paged(self._connection, "/v1/encoders", RegisteredEncoder))

    def encoder(self, encoder: str) -> RegisteredEncoder:
        """One encoder, by id or name (then its newest version), with its scores."""
        return lists.one(self._connection, "/v1/encoders", encoder, RegisteredEncoder, prefix="enc_")

    def delete_encoder(self, encoder: str) -> RegisteredEncoder:
        """Delete an encoder, by id or name (then its newest version); returns what it was."""
        found = self.encoder(encoder)
        self._connection.request("DELETE", f"/v1/encoders/{found.id}")
        return found

    def evaluations(self, *, encoder: str | None = None, corpus: str | None = None) -> list[Evaluation]:
        """Evaluations, newest first."""
        return list(
            lists.paged(self._connection, "/v1/evaluations", Evaluation, encoder=encoder, corpus=corpus)
        )

    def evaluation(self, evaluation_id: str) -> Evaluation:
        """One evaluation, with its table of classes and its confusions."""
        answer = self._connection.request("GET", f"/v1/evaluations/{evaluation_id}")
        return Evaluation.model_validate(answer.json())

    def recipes(self) -> list[Recipe]:
        """The recipes a pretraining may start from."""
        return lists.whole(self._connection, "/v1/recipes", Recipe)
