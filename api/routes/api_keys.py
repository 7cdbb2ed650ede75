"""API keys: made, listed and revoked by administrators."""

from fastapi import APIRouter, Response
from sqlalchemy import select

from api.auth import Admin
from api.library_schemas import ApiKeyCreatedResponse, ApiKeyList, ApiKeyRequest, ApiKeyResponse
from api.problems import Problem
from api.service import ServiceOf
from core.jobs.database import reading, transaction
from core.jobs.keys import check, create_api_key, revoke
from core.jobs.tables import ApiKeyRow

router = APIRouter(tags=["api-keys"])


@router.post("/api-keys", status_code=201)
def create_key(
    response: Response, body: ApiKeyRequest, _: Admin, service: ServiceOf
) -> ApiKeyCreatedResponse:
    """Make an API key. The answer is the only place where its secret is ever shown."""
    with transaction(service.engine) as session:
        token = create_api_key(session, owner=body.owner, scopes=body.scopes, expires_at=body.expires_at)
        row = check(session, token)
    if row is None:
        raise Problem(422, "already-expired", f"expires_at {body.expires_at} is in the past.")
    response.headers["Cache-Control"] = "no-store"
    response.headers["Location"] = f"/v1/api-keys/{row.id}"
    return ApiKeyCreatedResponse(**ApiKeyResponse.model_validate(row).model_dump(), api_key=token)


@router.get("/api-keys")
def list_keys(_: Admin, service: ServiceOf) -> ApiKeyList:
    """List all API keys, newest first, without their secrets."""
    with reading(service.engine) as session:
        rows = session.scalars(
            select(ApiKeyRow).order_by(ApiKeyRow.created_at.desc(), ApiKeyRow.id.desc())
        ).all()
    return ApiKeyList(data=[ApiKeyResponse.model_validate(row) for row in rows])


@router.delete("/api-keys/{key_id}", status_code=204)
def revoke_key(key_id: str, _: Admin, service: ServiceOf) -> None:
    """Make an API key useless from now on. Repeating this is harmless."""
    with transaction(service.engine) as session:
        row = session.get(ApiKeyRow, key_id)
        if row is None:
            raise Problem(404, "not-found", f"There is no API key {key_id!r}.")
        revoke(session, row)
