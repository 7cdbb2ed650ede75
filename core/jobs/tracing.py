"""OpenTelemetry traces of jobs, exported if `otel_endpoint` is set.

Without it OpenTelemetry's no-op tracer is used, and its SDK is not imported.

Each process has one `Tracing`. Spans of different processes are linked by W3C Trace Context: each starts
below the `traceparent` of the previous one.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.trace import NoOpTracer, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace import Span as OtelSpan
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from core.errors import UserError
from core.jobs.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_W3C = TraceContextTextMapPropagator()
_EXPORT_SECONDS = 3.0
"""How long an unresponsive collector may delay the exit of a process."""


class Span:
    """A span, wrapping OpenTelemetry's."""

    def __init__(self, span: OtelSpan) -> None:
        self._span = span

    @property
    def trace_parent(self) -> str | None:
        """The `traceparent` for child spans in any process. None without tracing."""
        return _trace_parent(set_span_in_context(self._span))

    def note(self, name: str, **attributes: Any) -> None:
        """Add a span event now."""
        self._span.add_event(name, _named(attributes))

    def end(self, *, failed: bool | None = None, message: str = "", **attributes: Any) -> None:
        """End the span. `failed` sets its status; None leaves the status unset."""
        self._span.set_attributes(_named(attributes))
        if failed is not None:
            self._span.set_status(Status(StatusCode.ERROR, message) if failed else Status(StatusCode.OK))
        self._span.end()


class Tracing:
    """Creates the spans of one process. Without a provider they are no-op spans."""

    def __init__(self, provider: "TracerProvider | None" = None) -> None:
        self._provider = provider
        self._tracer: Tracer = NoOpTracer() if provider is None else provider.get_tracer("signforge")

    def span(self, name: str, *, parent: str | None, began_ns: int | None = None, **attributes: Any) -> Span:
        """Start a span below `parent`, now or at `began_ns` nanoseconds since 1970."""
        above = _W3C.extract({"traceparent": parent} if parent else {}, Context())
        named = _named(attributes)
        return Span(self._tracer.start_span(name, context=above, start_time=began_ns, attributes=named))

    def close(self) -> None:
        """Export the ended spans, or give up after a few seconds."""
        if self._provider is not None:
            self._provider.shutdown()


UNTRACED = Tracing()
"""For processes without tracing."""


def open_tracing(settings: Settings, process: str) -> Tracing:
    """Return the `Tracing` of this process.

    Raises:
        UserError: an endpoint is set, but OpenTelemetry is not installed.
    """
    return Tracing(tracer_provider(settings, process))


def tracer_provider(settings: Settings, process: str) -> "TracerProvider | None":
    """OpenTelemetry's provider that exports to the endpoint of the settings. None without an endpoint.

    Raises:
        UserError: an endpoint is set, but OpenTelemetry is not installed.
    """
    if not settings.otel_endpoint:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise UserError(
            f"SIGNFORGE_OTEL_ENDPOINT is {settings.otel_endpoint!r}, but OpenTelemetry is not installed "
            f"({error}). Install it with `pip install 'signforge[otel]'`, or leave the setting empty."
        ) from None
    resource = Resource.create({"service.namespace": "signforge", "service.name": f"signforge-{process}"})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    url = f"{settings.otel_endpoint.rstrip('/')}/v1/traces"
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(url, timeout=_EXPORT_SECONDS)))
    return provider


def current_trace_parent() -> str | None:
    """The `traceparent` of the span that the web framework has open here. None without tracing."""
    return _trace_parent(None)


def _trace_parent(context: Context | None) -> str | None:
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, context)
    return carrier.get("traceparent")


def _named(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes with the prefix `signforge.`, without those that are None."""
    return {f"signforge.{name}": value for name, value in attributes.items() if value is not None}
