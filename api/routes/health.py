"""Health routes for operators: liveness, readiness and metrics. They need no API key."""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from api.documents.openapi import VERSION
from api.monitoring.prometheus import exposition
from api.monitoring.readiness import check_readiness
from api.schemas.library import HealthResponse, ReadyResponse
from api.service import ServiceOf

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def get_health() -> HealthResponse:
    """Liveness: the API process is up. Checks nothing else, and waits for no thread."""
    return HealthResponse(version=VERSION)


@router.get("/readyz", responses={503: {"model": ReadyResponse, "description": "A check failed."}})
def get_readiness(response: Response, service: ServiceOf) -> ReadyResponse:
    """Readiness: check database, migrations, broker and storage. 503 if a check fails, with its name."""
    answer = check_readiness(service)
    response.status_code = 200 if answer.ready else 503
    return answer


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def get_metrics(
    request: Request, service: ServiceOf, accept: Annotated[str, Header(include_in_schema=False)] = ""
) -> Response:
    """Metrics for Prometheus: of the whole service, and of this process's HTTP requests."""
    body, content_type = exposition(service, request.app.state.http_metrics, accept)
    return Response(body, headers={"Content-Type": content_type})
