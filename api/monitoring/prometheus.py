"""`/metrics` for Prometheus: service-wide metrics from the database, HTTP metrics of this process."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Scope

from api.monitoring.database_metrics import families
from api.service import Service
from core.jobs.database import reading

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_UNKNOWN_ROUTE = "none"


class HttpMetrics:
    """HTTP requests by route, method and status, and the seconds until their responses began."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._requests = Counter(
            "signforge_http_requests",
            "Requests to this API process.",
            ["route", "method", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "signforge_http_request_seconds",
            "Seconds from a request to the start of its response, without long polls (`wait`).",
            ["route", "method"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._paths: dict[str, str] = {}

    def observe(self, scope: Scope, status: int | None, seconds: float) -> None:
        """Count one request. Without a status the client disconnected."""
        route = self._route_of(scope)
        # a client can invent methods and paths, which must not become labels
        method = scope["method"] if route != _UNKNOWN_ROUTE else "any"
        self._requests.labels(route, method, status or "aborted").inc()
        if b"wait=" not in scope["query_string"]:
            self._seconds.labels(route, method).observe(seconds)

    def _route_of(self, scope: Scope) -> str:
        """The path template, as in the OpenAPI document."""
        route = scope.get("route")
        if route is None:
            return _UNKNOWN_ROUTE
        if not self._paths:
            for path, operations in scope["app"].openapi()["paths"].items():
                self._paths.update({operation["operationId"]: path for operation in operations.values()})
        return self._paths.get(route.name, str(route.path))


def exposition(service: Service, http: HttpMetrics, accept: str) -> tuple[bytes, str]:
    """All metrics in the format that an `Accept` header asks for, and its content type."""
    encode, content_type = choose_encoder(accept)
    return encode(_Everything(service, http)), content_type


class _Everything(Collector):
    def __init__(self, service: Service, http: HttpMetrics) -> None:
        self._service, self._http = service, http

    def collect(self) -> Iterator[Metric]:
        """Collect all metrics. Those of this process are there even while the database is unavailable."""
        yield from self._http.registry.collect()
        found: list[Metric] = []
        try:
            with reading(self._service.engine) as session:
                found = list(families(session, lease_seconds=self._service.settings.lease_seconds))
        except SQLAlchemyError:
            pass
        up = GaugeMetricFamily("signforge_database_up", "Whether the database responded to this scrape.")
        up.add_metric([], float(bool(found)))
        yield up
        yield from found
