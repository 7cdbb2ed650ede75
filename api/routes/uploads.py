"""Upload routes: send, get and delete files to import."""

from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Header, Query, Request, Response
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from api.auth import Caller, Reader, Submitter
from api.bounded_json import BoundedJsonRoute
from api.deleting import delete_row, remove_files
from api.ownership import owned
from api.schemas.library import UploadResponse
from api.service import Service, ServiceOf
from api.submission.idempotency import IdempotencyKey, create_once
from api.uploading import discard, promised_sha256, receive, record, require_digest
from core.jobs.database import reading, transaction
from core.jobs.storage.artifacts import Received
from core.jobs.tables.artifacts import UploadRow

router = APIRouter(tags=["uploads"], route_class=BoundedJsonRoute)
_RAW_BODY = {
    "requestBody": {
        "required": True,
        "description": "The file's raw bytes.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post("/uploads", status_code=201, openapi_extra=_RAW_BODY)
async def create_upload(
    request: Request,
    response: Response,
    caller: Submitter,
    service: ServiceOf,
    filename: Annotated[
        str,
        Query(min_length=1, max_length=255, pattern=r"^[^\x00]*$", description="Name of the file."),
    ],
    idempotency_key: IdempotencyKey = None,
    repr_digest: Annotated[
        str | None,
        Header(
            description="`sha-256=:<base64>:` of the file. A file with another digest is refused.",
            json_schema_extra={"pattern": "^sha-256=:[A-Za-z0-9+/]{43}=:$"},
        ),
    ] = None,
) -> UploadResponse:
    """Upload a file. It is streamed to disk, hashed and, with `Repr-Digest`, verified."""
    promised = promised_sha256(repr_digest)
    received = await receive(service, request.stream(), filename)
    await to_thread.run_sync(require_digest, service, received, promised)
    return await to_thread.run_sync(_keep, service, caller, filename, received, idempotency_key, response)


@router.get("/uploads/{upload_id}")
def get_upload(upload_id: str, caller: Reader, service: ServiceOf) -> UploadResponse:
    """Get an upload."""
    with reading(service.engine) as session:
        return UploadResponse.model_validate(owned(session, UploadRow, upload_id, caller, noun="upload"))


@router.delete("/uploads/{upload_id}", status_code=204)
def delete_upload(upload_id: str, caller: Submitter, service: ServiceOf) -> None:
    """Delete an upload. A corpus imported from it stays. Idempotent.

    Refused with 409 and their `job_ids` while unfinished jobs need the upload.
    """
    with transaction(service.engine) as session:
        row = owned(session, UploadRow, upload_id, caller, noun="upload", also_deleted=True)
        location = delete_row(session, row)
    remove_files(service, location)


def _keep(
    service: Service,
    caller: Caller,
    filename: str,
    received: Received,
    idempotency_key: str | None,
    response: Response,
) -> UploadResponse:
    def create(session: Session) -> str:
        return record(session, service, owner=caller.owner, filename=filename, received=received).id

    kept = False
    try:
        created = create_once(
            service.engine,
            owner=caller.owner,
            key=idempotency_key,
            content=f"upload {received.sha256} {filename}",
            create=create,
        )
        kept = not created.replayed
    except DBAPIError:
        kept = (
            True  # the commit may have succeeded although its response was lost; an unused file does no harm
        )
        raise
    finally:
        if not kept:
            discard(service, received)
    created.mark(response)
    response.headers["Location"] = f"/v1/uploads/{created.resource_id}"
    return get_upload(created.resource_id, caller, service)
