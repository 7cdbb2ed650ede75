"""Corpus routes: import from a file or a path, list, get and delete."""

import json
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from starlette.datastructures import FormData, UploadFile

from api.auth import Reader, Route, Submitter
from api.bounds.body_shape import has_form, look_at, parse_bounded
from api.deleting import delete_row, remove_files
from api.known_keys import Caller
from api.ownership import owned
from api.paging import PageQuery, link_next, page_of
from api.problems import invalid_by, unfit
from api.schemas.base import Page
from api.schemas.jobs import JobResponse
from api.schemas.library import CorpusResponse
from api.service import Service, ServiceOf
from api.submission.idempotency import IdempotencyKey, create_once
from api.submission.submitting import answer, queue, submit_spec
from api.uploading import discard, record
from core.jobs.database import reading, transaction
from core.jobs.tables.artifacts import CorpusRow
from core.jobs.tables.jobs import JobRow
from core.specs.fields import Name
from core.specs.import_jobs import ImportSpec

router = APIRouter(tags=["corpora"], route_class=Route)
_BLOCK_BYTES = 1 << 20
_ARRIVING = "upl_arriving"
"""Placeholder of the upload's id while a form's specification is validated, before its file is stored."""
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["file", "spec"],
                    "properties": {
                        "file": {"type": "string", "format": "binary", "description": "The pose file."},
                        "spec": {
                            "type": "string",
                            "description": "An ImportSpec as JSON, without `source`.",
                        },
                    },
                }
            },
            "application/json": {"schema": {"$ref": "#/components/schemas/ImportSpec"}},
        },
    }
}


class CorpusQuery(PageQuery):
    """Which corpora to list."""

    name: Name | None = None
    """Only the corpus of this name."""


@router.post("/corpora", status_code=201, openapi_extra=_BODY)
async def create_corpus(
    request: Request,
    response: Response,
    caller: Submitter,
    service: ServiceOf,
    idempotency_key: IdempotencyKey = None,
) -> JobResponse:
    """Start an import: send a form with a file and its specification, or JSON that names an upload or a path.

    For files of many gigabytes use `POST /v1/uploads`, since a form is written to disk twice.
    """
    if has_form(request.headers):
        async with request.form(
            max_files=1, max_fields=1, max_part_size=service.settings.max_body_bytes
        ) as form:
            return await to_thread.run_sync(_import_form, service, caller, form, idempotency_key, response)
    spec = await look_at(service, await request.body(), parse_spec)
    return await to_thread.run_sync(
        lambda: submit_spec(service, caller, spec, response=response, idempotency_key=idempotency_key)
    )


@router.get("/corpora")
def list_corpora(
    request: Request,
    response: Response,
    query: Annotated[CorpusQuery, Query()],
    caller: Reader,
    service: ServiceOf,
) -> Page[CorpusResponse]:
    """List your corpora, newest first."""
    these = select(CorpusRow).where(CorpusRow.owner == caller.owner, CorpusRow.deleted_at.is_(None))
    if query.name is not None:
        these = these.where(CorpusRow.name == query.name)
    with reading(service.engine) as session:
        rows, next_cursor = page_of(session, these, CorpusRow, query)
    link_next(request, response, next_cursor)
    corpora = [CorpusResponse.model_validate(row) for row in rows]
    return Page(data=corpora, next_cursor=next_cursor, has_more=next_cursor is not None)


@router.get("/corpora/{corpus_id}")
def get_corpus(corpus_id: str, caller: Reader, service: ServiceOf) -> CorpusResponse:
    """Get a corpus."""
    with reading(service.engine) as session:
        return CorpusResponse.model_validate(owned(session, CorpusRow, corpus_id, caller, noun="corpus"))


@router.delete("/corpora/{corpus_id}", status_code=204)
def delete_corpus(corpus_id: str, caller: Submitter, service: ServiceOf) -> None:
    """Delete a corpus and free its name. Encoders and scores made from it stay. Idempotent.

    Refused with 409 and their `job_ids` while unfinished jobs need the corpus.
    """
    with transaction(service.engine) as session:
        row = owned(session, CorpusRow, corpus_id, caller, noun="corpus", also_deleted=True)
        location = delete_row(session, row)
    remove_files(service, location)


def parse_spec(text: bytes | str, **more: Any) -> ImportSpec:
    """Parse an import specification from JSON, with the fields `more` added.

    Raises:
        Problem: it is not JSON, or a field is invalid (422); it has too many (413).
    """
    try:
        document = parse_bounded(text.encode() if isinstance(text, str) else text)
    except json.JSONDecodeError as error:
        raise unfit("", f"The specification is not JSON: {error}.", code="json_invalid") from None
    if not isinstance(document, dict):
        raise unfit("", "The specification is not a JSON object.", code="json_invalid")
    for field in more:
        if field in document:
            raise unfit(
                f"/{field}", f"Omit {field!r}: the source is the file of this form.", code="extra_forbidden"
            )
    try:
        return ImportSpec.model_validate_json(json.dumps({**document, **more}))
    except ValidationError as error:
        raise invalid_by(error, ImportSpec) from None


def _import_form(
    service: Service, caller: Caller, form: FormData, idempotency_key: str | None, response: Response
) -> JobResponse:
    file, text = form.get("file"), form.get("spec")
    if not isinstance(file, UploadFile) or not isinstance(text, str):
        raise unfit("", "The form must have a file in `file` and JSON in `spec`.", code="missing")
    spec = parse_spec(text, source=_ARRIVING)
    filename = (file.filename or "upload").replace("\0", "")[:255]
    received = service.store.receive(
        iter(lambda: file.file.read(_BLOCK_BYTES), b""), service.settings.max_upload_bytes, filename=filename
    )

    def create(session: Session) -> JobRow:
        upload = record(session, service, owner=caller.owner, filename=filename, received=received)
        return queue(session, service, caller, spec.model_copy(update={"source": upload.id}))

    kept = False
    try:
        content = f"{received.sha256} {filename} {spec.model_dump_json()}"
        created = create_once(
            service.engine, owner=caller.owner, key=idempotency_key, content=content, create=create
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
    return answer(service, caller, created, response)
