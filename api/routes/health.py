"""For whoever runs the service: alive, ready, and numbers. No API key is needed."""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from api.monitoring.prometheus import exposition
from api.monitoring.readiness import check_readiness
from api.schemas.library import HealthResponse, ReadyResponse
from api.service import ServiceOf

router = APIRouter(tags=["health"])


@router.get("/healthz")
def get_health() -> HealthResponse:
    """The process is up; nothing else is looked at."""
    return HealthResponse()


@router.get("/readyz", responses={503: {"model": ReadyResponse, "description": "Something is missing."}})
def get_readiness(response: Response, service: ServiceOf) -> ReadyResponse:
    """Try database, migrations, broker and storage: 200 if all hold, else 503 saying which does not."""
    answer = check_readiness(service)
    response.status_code = 200 if answer.ready else 503
    return answer


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def get_metrics(
    request: Request, service: ServiceOf, accept: Annotated[str, Header(include_in_schema=False)] = ""
) -> Response:
    """Numbers for Prometheus: the whole service's, and the requests of this process."""
    body, content_type = exposition(service, request.app.state.http_metrics, accept)
    return Response(body, headers={"Content-Type": content_type})
