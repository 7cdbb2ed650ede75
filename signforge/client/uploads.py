"""`client.uploads`: send files to the service, to be imported."""

import base64
import uuid
from collections.abc import Iterator
from pathlib import Path

from core.errors import StorageError
from signforge.client.models import Upload
from signforge.client.transport.connection import Connection, path_of
from signforge.client.transport.download import OnBytes, file_sha256

_CHUNK_BYTES = 2**20
_TIMEOUT_SECONDS = 600.0


class Uploads:
    """Files that were sent and wait to be imported.

    Every method may raise `ApiError` (the service refused) and `ConnectionFailed` (it does not answer).
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def create(self, path: str | Path, *, on_bytes: OnBytes | None = None) -> Upload:
        """Send a file, or a folder packed into one.

        Args:
            path: the file or folder.
            on_bytes: called with the bytes sent and the bytes in all, as they are sent.

        Returns:
            The upload; its `id` is the source of an import.

        Raises:
            CorpusError: there is nothing to send at `path`.
            StorageError: `path` cannot be read, or packed.
        """
        from signforge.client.transport.packing import as_one_file  # slow to import

        with as_one_file(Path(path)) as file:
            digest = base64.b64encode(bytes.fromhex(file_sha256(file))).decode()
            response = self._connection.request(
                "POST",
                "/v1/uploads",
                params={"filename": file.name},
                content=lambda: _chunks(file, on_bytes),
                headers={
                    "Content-Type": "application/octet-stream",
                    "Content-Length": str(file.stat().st_size),
                    "Repr-Digest": f"sha-256=:{digest}:",
                    "Idempotency-Key": str(uuid.uuid4()),
                },
                timeout=_TIMEOUT_SECONDS,
            )
        return Upload.model_validate(response.json())

    def delete(self, upload_id: str) -> None:
        """Delete an upload; a corpus made of it stays.

        Raises:
            ApiError: a job that has not ended needs it (409), or there is none (404).
        """
        self._connection.request("DELETE", path_of("uploads", upload_id))


def _chunks(file: Path, on_bytes: OnBytes | None) -> Iterator[bytes]:
    total, done = file.stat().st_size, 0
    try:
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                yield chunk
                done += len(chunk)
                if on_bytes is not None:
                    on_bytes(done, total)
    except OSError as error:
        raise StorageError(f"Cannot read {file}: {error.strerror}.") from None
