"""API key routes: create, list, rotate and revoke, for administrators."""

from fastapi import APIRouter, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.auth import Admin
from api.bounded_json import BoundedJsonRoute
from api.problems import Problem
from api.schemas.keys import (
    ApiKeyCreatedResponse,
    ApiKeyList,
    ApiKeyRequest,
    ApiKeyResponse,
    ApiKeyRotationRequest,
)
from api.service import ServiceOf
from core.jobs.database import reading, transaction
from core.jobs.keys import api_key_id_of, check, create_api_key, revoke, rotate
from core.jobs.tables.access import ApiKeyRow

router = APIRouter(tags=["api-keys"], route_class=BoundedJsonRoute)
_DEFAULT_ROTATION = ApiKeyRotationRequest()


@router.post("/api-keys", status_code=201)
def create_key(
    response: Response, body: ApiKeyRequest, _: Admin, service: ServiceOf
) -> ApiKeyCreatedResponse:
    """Create an API key. Its secret is shown in this response only."""
    with transaction(service.engine) as session:
        token = create_api_key(
            session, owner=body.owner, scopes=body.scopes, name=body.name, expires_at=body.expires_at
        )
        if check(session, token) is None:
            detail = f"expires_at {body.expires_at} is in the past. Give a time in the future, or omit it."
            raise Problem(422, "already-expired", detail)
        row = session.get_one(ApiKeyRow, api_key_id_of(token))
    return _shown_once(response, row, token)


@router.get("/api-keys")
def list_keys(_: Admin, service: ServiceOf) -> ApiKeyList:
    """List all API keys, newest first, without their secrets."""
    with reading(service.engine) as session:
        rows = session.scalars(
            select(ApiKeyRow).order_by(ApiKeyRow.created_at.desc(), ApiKeyRow.id.desc())
        ).all()
    return ApiKeyList(data=[ApiKeyResponse.model_validate(row) for row in rows])


@router.post("/api-keys/{key_id}/rotate", status_code=201)
def rotate_key(
    response: Response,
    key_id: str,
    _: Admin,
    service: ServiceOf,
    body: ApiKeyRotationRequest = _DEFAULT_ROTATION,
) -> ApiKeyCreatedResponse:
    """Replace an API key by a new one with the same owner, scopes, name and lifetime.

    The old key works for `grace_seconds` more, so that its users can change over. A key can be rotated once.
    If the response was lost, rotate the key that `replaced_by` names: its secret was never received.
    """
    with transaction(service.engine) as session:
        token = rotate(session, _key(session, key_id), grace_seconds=body.grace_seconds)
        row = session.get_one(ApiKeyRow, api_key_id_of(token))
    return _shown_once(response, row, token)


@router.delete("/api-keys/{key_id}", status_code=204)
def revoke_key(key_id: str, _: Admin, service: ServiceOf) -> None:
    """Revoke an API key at once. Idempotent."""
    with transaction(service.engine) as session:
        revoke(session, _key(session, key_id))


def _key(session: Session, key_id: str) -> ApiKeyRow:
    row = session.get(ApiKeyRow, key_id)
    if row is None:
        raise Problem(404, "not-found", f"There is no API key {key_id!r}.")
    return row


def _shown_once(response: Response, row: ApiKeyRow, token: str) -> ApiKeyCreatedResponse:
    response.headers["Cache-Control"] = "no-store"
    response.headers["Location"] = f"/v1/api-keys/{row.id}"
    return ApiKeyCreatedResponse(**ApiKeyResponse.model_validate(row).model_dump(), api_key=token)
