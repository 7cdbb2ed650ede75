"""The Python client of the service. Light: httpx and pydantic, never torch."""

import base64
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import ValidationError

from core.errors import SpecError, StorageError
from core.jobs.kinds import IMPORT, IMPORT_ENCODER, spec_adapter
from core.specs.jobs import JobSpec, SplitConfig
from signforge.client import job_logs, lists
from signforge.client.address import find_address
from signforge.client.administration import Administration
from signforge.client.connection import Connection, Sleep
from signforge.client.download import OnBytes, fetch, file_sha256
from signforge.client.errors import ApiError, ConnectionFailed, WaitTimedOut
from signforge.client.event_stream import follow
from signforge.client.library_calls import LibraryCalls
from signforge.client.models import Event, Job, LogPage, Metric, Upload
from signforge.client.packing import as_one_file
from signforge.client.webhook_calls import WebhookCalls

__all__ = ["ApiError", "Client", "ConnectionFailed", "WaitTimedOut"]

Spec = JobSpec | Mapping[str, Any]

_CHUNK_BYTES = 2**20
_LONG_POLL_SECONDS = 20.0


class Client(LibraryCalls, Administration, WebhookCalls):
    """Speaks to a signforge service.

    Without arguments it finds the service that `signforge up` started on this machine, or the one that
    SIGNFORGE_URL and SIGNFORGE_API_KEY name. Usable as a context manager. Every method may raise `ApiError`
    (the service refused) and `ConnectionFailed` (it does not answer).
    """

    def __init__(
        self, url: str | None = None, api_key: str | None = None, *, sleep: Sleep = time.sleep
    ) -> None:
        self._connection = Connection(find_address(url, api_key), sleep=sleep)

    @property
    def url(self) -> str:
        """Where the service is."""
        return self._connection.address.url

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def upload(self, path: str | Path, *, on_bytes: OnBytes | None = None) -> Upload:
        """Send a file, or a folder packed into one, and return what the service made of it.

        Raises:
            CorpusError: there is nothing to send at `path`.
        """
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
                timeout=600.0,
            )
        return Upload.model_validate(response.json())

    def import_corpus(
        self, source: str, *, name: str, split: SplitConfig | Mapping[str, Any] | None = None, **options: Any
    ) -> Job:
        """Ask for a corpus made of `source`: an upload's id, or a path below one of the service's roots.

        `options` are the further fields of `ImportSpec`: format, profile, image_width, image_height, and what
        to do with a benchmark.
        """
        body = {
            "kind": IMPORT.name,
            "source": source,
            "name": name,
            "split": split or SplitConfig(),
            **options,
        }
        return self.submit(body)

    def add_corpus(
        self,
        path: str | Path,
        *,
        name: str,
        split: SplitConfig | Mapping[str, Any] | None = None,
        on_bytes: OnBytes | None = None,
        **options: Any,
    ) -> Job:
        """Upload a file or folder and ask for a corpus made of it; returns the import job."""
        body = {
            "kind": IMPORT.name,
            "source": "upl_",
            "name": name,
            "split": split or SplitConfig(),
            **options,
        }
        return self._submit_upload(path, body, on_bytes)

    def add_encoder(self, path: str | Path, *, name: str, on_bytes: OnBytes | None = None) -> Job:
        """Upload a checkpoint of the paper's released code and ask for an encoder made of it."""
        return self._submit_upload(
            path, {"kind": IMPORT_ENCODER.name, "source": "upl_", "name": name}, on_bytes
        )

    def submit(
        self,
        spec: Spec,
        *,
        priority: int = 0,
        deadline_seconds: float | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Submit a job. A connection that breaks on the way makes no second job.

        Raises:
            SpecError: `spec` does not say something a service can do.
        """
        response = self._connection.request(
            "POST",
            "/v1/jobs",
            params=_scheduling(priority, deadline_seconds),
            json=_validated(spec),
            headers={"Idempotency-Key": idempotency_key or str(uuid.uuid4())},
        )
        return Job.model_validate(response.json())

    def dry_run(self, spec: Spec) -> dict[str, Any]:
        """What submitting `spec` would do: the resolved specification and the place in the queue."""
        response = self._connection.request(
            "POST", "/v1/jobs", params={"dry_run": "true"}, json=_validated(spec)
        )
        answer: dict[str, Any] = response.json()
        return answer

    def job(self, job_id: str) -> Job:
        """One job."""
        return self._job(job_id)

    def jobs(
        self, *, state: str | None = None, kind: str | None = None, limit: int | None = None
    ) -> list[Job]:
        """Jobs, newest first; at most `limit` of them."""
        return list(lists.paged(self._connection, "/v1/jobs", Job, limit=limit, state=state, kind=kind))

    def cancel(self, job_id: str) -> Job:
        """Ask a job to stop. Repeating it is harmless; one that has ended otherwise is an `ApiError` 409."""
        return Job.model_validate(self._connection.request("POST", f"/v1/jobs/{job_id}/cancel").json())

    def pause(self, job_id: str) -> Job:
        """Ask a job to save its state and free its worker."""
        return Job.model_validate(self._connection.request("POST", f"/v1/jobs/{job_id}/pause").json())

    def resume(self, job_id: str) -> Job:
        """Queue a paused job again; it goes on where it stopped."""
        return Job.model_validate(self._connection.request("POST", f"/v1/jobs/{job_id}/resume").json())

    def retry(self, job_id: str, *, priority: int = 0, deadline_seconds: float | None = None) -> Job:
        """Do the work of a job that has ended again, from its last checkpoint if it did not succeed.

        Returns the new job, or the one that an earlier retry made and that has not ended.
        """
        response = self._connection.request(
            "POST",
            f"/v1/jobs/{job_id}/retry",
            params=_scheduling(priority, deadline_seconds),
            headers={"Idempotency-Key": str(uuid.uuid4())},
        )
        return Job.model_validate(response.json())

    def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """Wait until a job has ended, well or not, and return it.

        Raises:
            WaitTimedOut: it has not ended within `timeout` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        job = self.job(job_id)
        while not job.is_final:
            left = _LONG_POLL_SECONDS if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise WaitTimedOut(f"{job_id} is still {job.state} after {timeout:g} s; it goes on running.")
            job = self._long_poll(job_id, seconds=min(left, _LONG_POLL_SECONDS))
        return job

    def watch(self, job_id: str, *, after: int = 0) -> Iterator[Event]:
        """Yield a job's events as they happen, from the first whose sequence is above `after` to the last."""
        job_id = self.job(job_id).id  # fails at once where there is no such job, or no service
        return follow(
            self._connection,
            f"/v1/jobs/{job_id}/events",
            after=after,
            is_over=lambda: self._is_over(job_id),
        )

    def logs(self, job_id: str, *, attempt: int | None = None, follow: bool = False) -> Iterator[LogPage]:
        """Yield what an attempt's program wrote to standard error, page by page; the newest unless told.

        With `follow` it goes on until the job, or the attempt that was asked for, has ended.
        """
        job_id = self.job(job_id).id
        if not follow:
            return job_logs.stored(self._connection, job_id, attempt)
        return job_logs.followed(self._connection, job_id, attempt, is_over=lambda: self._is_over(job_id))

    def metrics(self, job_id: str, *, name: str | None = None, after_step: int | None = None) -> list[Metric]:
        """The numbers a job reported, by step."""
        path = f"/v1/jobs/{job_id}/metrics"
        return list(lists.metrics(self._connection, path, name=name, after_step=after_step))

    def download_encoder(
        self, encoder: str, path: str | Path = ".", *, on_bytes: OnBytes | None = None
    ) -> Path:
        """Download an encoder to a file, or into a folder, and verify it; returns the file.

        A download that was broken off is gone on with.

        Raises:
            EncoderError: what arrived is not what was promised.
        """
        found = self.encoder(encoder)
        target = Path(path)
        if target.is_dir() or str(path).endswith("/"):
            name = re.sub(r"[^\w.-]+", "_", found.name).lstrip(".") or "encoder"
            target = target / f"{name}-v{found.version}.safetensors"
        return fetch(
            self._connection,
            f"/v1/encoders/{found.id}/download",
            target,
            sha256=found.sha256,
            on_bytes=on_bytes,
        )

    def _submit_upload(self, path: str | Path, body: Spec, on_bytes: OnBytes | None) -> Job:
        spec = _validated(body)  # before sending gigabytes
        upload = self.upload(path, on_bytes=on_bytes)
        return self.submit({**spec, "source": upload.id})

    def _job(self, job_id: str, **options: Any) -> Job:
        return Job.model_validate(self._connection.request("GET", f"/v1/jobs/{job_id}", **options).json())

    def _is_over(self, job_id: str) -> bool:
        return self._job(job_id, patient=True).is_final

    def _long_poll(self, job_id: str, *, seconds: float) -> Job:
        wait = max(1, round(seconds))
        return self._job(job_id, params={"wait": wait}, timeout=wait + 30, patient=True)


def _scheduling(priority: int, deadline_seconds: float | None) -> dict[str, float]:
    scheduling: dict[str, float] = {"priority": priority} if priority else {}
    return scheduling if deadline_seconds is None else {**scheduling, "deadline_seconds": deadline_seconds}


def _validated(spec: Spec) -> dict[str, Any]:
    try:
        checked = spec_adapter().validate_python(spec)
    except ValidationError as error:
        first = error.errors()[0]
        # The first part of a location is the kind of job, which is not part of the document.
        pointer = "".join(f"/{part}" for part in first["loc"][1:])
        # Fields that do not go together have no place of their own; a kind that is none has one.
        place = pointer or ("" if first["type"] == "value_error" else "/kind")
        message = first["msg"].removeprefix("Value error, ")
        got = "" if isinstance(first["input"], Mapping) else f" (got {first['input']!r})"
        raise SpecError(f"{place}: {message}{got}.".removeprefix(": "), pointer=pointer) from None
    return checked.model_dump(mode="json")


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
