"""Encoder routes: list, get, download and delete trained encoders, their cards and scores."""

from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import select

from api.auth import Reader, Route, Submitter
from api.deleting import delete_row, remove_files
from api.downloads import send_artifact
from api.known_keys import Caller
from api.ownership import owned
from api.paging import PageQuery, link_next, page_of
from api.schemas.base import Page
from api.schemas.library import EncoderDetailResponse, EncoderResponse, EvaluationResponse
from api.service import Service, ServiceOf
from core.jobs.database import reading, transaction
from core.jobs.tables.artifacts import EncoderRow, EvaluationRow
from core.specs.fields import Name

router = APIRouter(tags=["encoders"], route_class=Route)
_FILE = "encoder.safetensors"
_FILE_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file, with `ETag`, `Repr-Digest` and `Accept-Ranges`.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    },
    206: {"description": "The requested range of bytes."},
    304: {"description": "The file is unchanged: it has the ETag in `If-None-Match`."},
    307: {"description": "The file is in the object store. `Location` is a signed URL that expires."},
    416: {"description": "The range is outside the file."},
}


class EncoderQuery(PageQuery):
    """Which encoders to list."""

    name: Name | None = None
    """Only versions of this name."""


@router.get("/encoders")
def list_encoders(
    request: Request,
    response: Response,
    query: Annotated[EncoderQuery, Query()],
    caller: Reader,
    service: ServiceOf,
) -> Page[EncoderResponse]:
    """List your encoders, newest first."""
    these = select(EncoderRow).where(EncoderRow.owner == caller.owner, EncoderRow.deleted_at.is_(None))
    if query.name is not None:
        these = these.where(EncoderRow.name == query.name)
    with reading(service.engine) as session:
        rows, next_cursor = page_of(session, these, EncoderRow, query)
    link_next(request, response, next_cursor)
    encoders = [EncoderResponse.of(row) for row in rows]
    return Page(data=encoders, next_cursor=next_cursor, has_more=next_cursor is not None)


@router.get("/encoders/{encoder_id}")
def get_encoder(encoder_id: str, caller: Reader, service: ServiceOf) -> EncoderDetailResponse:
    """Get an encoder with its card and its scores."""
    with reading(service.engine) as session:
        row = owned(session, EncoderRow, encoder_id, caller, noun="encoder")
        these = select(EvaluationRow).where(
            EvaluationRow.encoder_id == row.id, EvaluationRow.owner == caller.owner
        )
        scored = session.scalars(
            these.order_by(EvaluationRow.created_at.desc(), EvaluationRow.id.desc())
        ).all()
    evaluations = [EvaluationResponse.in_list(evaluation) for evaluation in scored]
    return EncoderDetailResponse.of(row, card=row.card, evaluations=evaluations)


@router.get("/encoders/{encoder_id}/card")
def get_encoder_card(encoder_id: str, caller: Reader, service: ServiceOf) -> dict[str, Any]:
    """Get an encoder's card: what it is, how it was trained, and how to use it."""
    return _encoder(service, caller, encoder_id).card


@router.get("/encoders/{encoder_id}/download", response_class=Response, responses=_FILE_ANSWERS)
async def download_encoder(request: Request, encoder_id: str, caller: Reader, service: ServiceOf) -> Response:
    """Download an encoder as one safetensors file that contains its card. Supports `Range` and `If-Range`."""
    return await to_thread.run_sync(_send, request, encoder_id, caller, service)


@router.head("/encoders/{encoder_id}/download", response_class=Response, responses=_FILE_ANSWERS)
def probe_encoder(request: Request, encoder_id: str, caller: Reader, service: ServiceOf) -> Response:
    """Get the headers of the download: size, ETag and digest."""
    return _send(request, encoder_id, caller, service)


@router.delete("/encoders/{encoder_id}", status_code=204)
def delete_encoder(encoder_id: str, caller: Submitter, service: ServiceOf) -> None:
    """Delete an encoder. Its scores stay and its version number is not reused. Idempotent.

    Refused with 409 and their `job_ids` while unfinished jobs need the encoder.
    """
    with transaction(service.engine) as session:
        row = owned(session, EncoderRow, encoder_id, caller, noun="encoder", also_deleted=True)
        location = delete_row(session, row)
    remove_files(service, location)


def _send(request: Request, encoder_id: str, caller: Caller, service: Service) -> Response:
    row = _encoder(service, caller, encoder_id)
    return send_artifact(
        request,
        service.store,
        f"{row.location}/{_FILE}",
        sha256=row.sha256,
        filename=f"{row.name}-v{row.version}.safetensors",
        media_type="application/octet-stream",
    )


def _encoder(service: Service, caller: Caller, encoder_id: str) -> EncoderRow:
    with reading(service.engine) as session:
        return owned(session, EncoderRow, encoder_id, caller, noun="encoder")
