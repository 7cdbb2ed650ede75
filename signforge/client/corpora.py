"""`client.corpora`: import pose files as corpora, list and delete them."""

import builtins
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from signforge.client.jobs import Jobs
from signforge.client.models import Corpus, Job
from signforge.client.named import NamedCollection
from signforge.client.specifications import checked
from signforge.client.transport.connection import Connection
from signforge.client.transport.download import OnBytes
from signforge.client.uploads import Uploads

if TYPE_CHECKING:
    from core.specs.import_jobs import SplitConfig

Split: TypeAlias = "SplitConfig | Mapping[str, Any]"


class Corpora:
    """Packed corpora. A corpus is named by its id (`cor_...`) or its name.

    Every method may raise `ApiError` (the service refused) and `ConnectionFailed` (it does not answer).
    """

    def __init__(self, connection: Connection, *, uploads: Uploads, jobs: Jobs) -> None:
        self._named = NamedCollection(connection, "corpora", Corpus, prefix="cor_")
        self._uploads = uploads
        self._jobs = jobs

    def add(
        self,
        path: str | Path,
        *,
        name: str,
        split: "Split | None" = None,
        on_bytes: OnBytes | None = None,
        **options: Any,
    ) -> Job:
        """Upload a file or folder and import it as a corpus.

        Args:
            path: the file or folder on this machine.
            name: the corpus' name, unique among yours.
            split: how clips are divided into train and test; as the source says by default.
            on_bytes: called with the bytes sent and the bytes in all, as they are sent.
            options: further fields of `ImportSpec`, such as format, profile, image_width.

        Returns:
            The import job; `client.jobs.wait` waits for it.

        Raises:
            CorpusError: there is nothing to send at `path`.
            SpecError: an option is unknown or out of its limits; nothing was sent.
        """
        checked(_import_spec("upl_", name, split, options))  # before sending gigabytes
        upload = self._uploads.create(path, on_bytes=on_bytes)
        return self.import_upload(upload.id, name=name, split=split, **options)

    def import_upload(
        self, upload_id: str, *, name: str, split: "Split | None" = None, **options: Any
    ) -> Job:
        """Import an upload as a corpus.

        Args:
            upload_id: what `client.uploads.create` returned (`upl_...`).
            name: the corpus' name, unique among yours.
            split: how clips are divided into train and test; as the source says by default.
            options: further fields of `ImportSpec`, such as format, profile, image_width.

        Returns:
            The import job.

        Raises:
            SpecError: an option is unknown or out of its limits.
        """
        return self._jobs.submit(_import_spec(upload_id, name, split, options))

    def import_path(self, path: str, *, name: str, split: "Split | None" = None, **options: Any) -> Job:
        """Import a file or folder that is on the service's machine as a corpus.

        Args:
            path: the file or folder there, below one of the service's corpus roots.
            name: the corpus' name, unique among yours.
            split: how clips are divided into train and test; as the source says by default.
            options: further fields of `ImportSpec`, such as format, profile, image_width.

        Returns:
            The import job.

        Raises:
            SpecError: an option is unknown or out of its limits.
        """
        return self._jobs.submit(_import_spec(path, name, split, options))

    def list(self) -> builtins.list[Corpus]:
        """List all corpora, newest first."""
        return self._named.list()

    def get(self, corpus: str) -> Corpus:
        """Look up one corpus, by id or name.

        Raises:
            ApiError: there is none (404).
        """
        return self._named.get(corpus)

    def delete(self, corpus: str) -> Corpus:
        """Delete a corpus, by id or name, and free its name; encoders and scores made with it stay.

        Returns:
            The corpus that was deleted.

        Raises:
            ApiError: a job that has not ended needs it (409), or there is none (404).
        """
        return self._named.delete(corpus)


def _import_spec(source: str, name: str, split: "Split | None", options: Mapping[str, Any]) -> dict[str, Any]:
    from core.jobs.kinds import IMPORT  # slow to import, and most calls need no kind
    from core.specs.import_jobs import SplitConfig

    return {"kind": IMPORT.name, "source": source, "name": name, "split": split or SplitConfig(), **options}
