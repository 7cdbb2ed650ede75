"""For whoever runs the service: alive, ready, and numbers. No API key is needed."""

from fastapi import APIRouter, Response

from api.library_schemas import HealthResponse, ReadyResponse
from api.prometheus import CONTENT_TYPE, exposition
from api.readiness import look
from api.service import ServiceOf
from core.jobs.database import reading

router = APIRouter(tags=["health"])


@router.get("/healthz")
def get_health() -> HealthResponse:
    """The process is up; nothing else is looked at."""
    return HealthResponse()


@router.get("/readyz", responses={503: {"model": ReadyResponse, "description": "Something is missing."}})
def get_readiness(response: Response, service: ServiceOf) -> ReadyResponse:
    """Try database, migrations, broker and storage: 200 if all hold, else 503 saying which does not."""
    answer = look(service)
    response.status_code = 200 if answer.ready else 503
    return answer


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def get_metrics(service: ServiceOf) -> Response:
    """The state of the queue, for Prometheus."""
    with reading(service.engine) as session:
        return Response(exposition(session), headers={"Content-Type": CONTENT_TYPE})
