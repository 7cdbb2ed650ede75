"""`client.encoders`: list, download, import and delete encoders."""

import builtins
import re
from pathlib import Path

from core.exchange.base_encoder import or_base
from signforge.client.jobs import Jobs
from signforge.client.models import Job, RegisteredEncoder
from signforge.client.named import NamedCollection
from signforge.client.specifications import checked
from signforge.client.transport.connection import Connection, path_of
from signforge.client.transport.download import OnBytes, fetch
from signforge.client.uploads import Uploads


class Encoders:
    """Encoders that were pretrained or imported. One is named by its id (`enc_...`) or its name.

    A name stands for its newest version. Every method may raise `ApiError` (the service refused) and
    `ConnectionFailed` (it does not answer).
    """

    def __init__(self, connection: Connection, *, uploads: Uploads, jobs: Jobs) -> None:
        self._connection = connection
        self._named = NamedCollection(connection, "encoders", RegisteredEncoder, prefix="enc_")
        self._uploads = uploads
        self._jobs = jobs

    def add(self, path: str | Path, *, name: str, on_bytes: OnBytes | None = None) -> Job:
        """Upload an encoder, or a checkpoint of the paper's released code, and import it as an encoder.

        Args:
            path: the file on this machine; `signforge-base` is the encoder of this installation.
            name: the encoder's name; a name that exists gets a new version.
            on_bytes: called with the bytes sent and the bytes in all, as they are sent.

        Returns:
            The import job.

        Raises:
            CorpusError: there is nothing to send at `path`.
            SpecError: the name is out of its limits; nothing was sent.
        """
        from core.jobs.kinds import IMPORT_ENCODER  # slow to import, and most calls need no kind

        spec = {"kind": IMPORT_ENCODER.name, "source": "upl_", "name": name}
        checked(spec)  # before sending gigabytes
        upload = self._uploads.create(or_base(Path(path)), on_bytes=on_bytes)
        return self._jobs.submit({**spec, "source": upload.id})

    def list(self) -> builtins.list[RegisteredEncoder]:
        """List all encoders, newest first."""
        return self._named.list()

    def get(self, encoder: str) -> RegisteredEncoder:
        """Look up one encoder, by id or name, with its card and scores.

        Raises:
            ApiError: there is none (404).
        """
        return self._named.get(encoder)

    def delete(self, encoder: str) -> RegisteredEncoder:
        """Delete an encoder, by id or name; its scores stay.

        Returns:
            The encoder that was deleted.

        Raises:
            ApiError: a job that has not ended needs it (409), or there is none (404).
        """
        return self._named.delete(encoder)

    def download(self, encoder: str, path: str | Path = ".", *, on_bytes: OnBytes | None = None) -> Path:
        """Download an encoder and verify its sha256. A download that broke off is continued.

        Args:
            encoder: id or name.
            path: the file to write, or a folder to write `<name>-v<version>.safetensors` into.
            on_bytes: called with the bytes on disk and the bytes in all, as they arrive.

        Returns:
            The file, which `signforge.load_encoder` reads.

        Raises:
            EncoderError: the bytes that arrived do not have the promised sha256.
            StorageError: the file cannot be written.
        """
        found = self.get(encoder)
        target = Path(path)
        if target.is_dir() or str(path).endswith("/"):
            name = re.sub(r"[^\w.-]+", "_", found.name).lstrip(".") or "encoder"
            target = target / f"{name}-v{found.version}.safetensors"
        source = path_of("encoders", found.id, "download")
        return fetch(self._connection, source, target, sha256=found.sha256, on_bytes=on_bytes)
