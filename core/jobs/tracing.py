"""OpenTelemetry traces of what happens to a job where `otel_endpoint` is set; else nothing, no import even.

A process has a `Tracing`. Spans of different processes become one trace by W3C Trace Context: each is started
below a `traceparent` that came from the one before.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from core.errors import UserError
from core.jobs.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span as OtelSpan

_EXPORT_SECONDS = 3.0
"""How long a collector that does not answer may hold up the end of a process."""


class Span(Protocol):
    """Something that lasts."""

    @property
    def trace_parent(self) -> str | None:
        """What makes another span, of whichever process, a child of this one."""

    def note(self, name: str, **attributes: Any) -> None:
        """Something happened at this moment."""

    def end(self, *, failed: bool | None = None, message: str = "", **attributes: Any) -> None:
        """It is over; None if it neither failed nor did what was asked."""


class Tracing(Protocol):
    """Makes the spans of one process."""

    def span(self, name: str, *, parent: str | None, began_ns: int | None = None, **attributes: Any) -> Span:
        """Start a span below `parent`, now or at `began_ns` nanoseconds since 1970."""

    def close(self) -> None:
        """Send what has ended, or give up after a few seconds."""


def open_tracing(settings: Settings, process: str) -> Tracing:
    """What makes the spans of this process.

    Raises:
        UserError: there is an endpoint, but OpenTelemetry is not installed.
    """
    provider = tracer_provider(settings, process)
    return UNTRACED if provider is None else _Traced(provider)


def tracer_provider(settings: Settings, process: str) -> "TracerProvider | None":
    """OpenTelemetry's own provider, sending to the settings' endpoint; None if there is none.

    Raises:
        UserError: there is an endpoint, but OpenTelemetry is not installed.
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


def current_trace_parent(settings: Settings) -> str | None:
    """The `traceparent` of the span that the web framework has open here."""
    return _trace_parent_of(None) if settings.otel_endpoint else None


class _Untraced:
    """Makes spans of which nobody hears, and is one."""

    trace_parent = None

    def span(self, name: str, *, parent: str | None, began_ns: int | None = None, **attributes: Any) -> Span:
        return self

    def note(self, name: str, **attributes: Any) -> None:
        pass

    def end(self, *, failed: bool | None = None, message: str = "", **attributes: Any) -> None:
        pass

    def close(self) -> None:
        pass


UNTRACED: Tracing = _Untraced()
"""What `open_tracing` returns where there is no endpoint."""


class _Traced:
    """Spans of an OpenTelemetry provider."""

    def __init__(self, provider: "TracerProvider") -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("signforge")

    def span(self, name: str, *, parent: str | None, began_ns: int | None = None, **attributes: Any) -> Span:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        above = TraceContextTextMapPropagator().extract({"traceparent": parent} if parent else {})
        named = _named(attributes)
        return _TracedSpan(
            self._tracer.start_span(name, context=above, start_time=began_ns, attributes=named)
        )

    def close(self) -> None:
        self._provider.shutdown()


class _TracedSpan:
    def __init__(self, span: "OtelSpan") -> None:
        self._span = span
        self.trace_parent = _trace_parent_of(span)

    def note(self, name: str, **attributes: Any) -> None:
        self._span.add_event(name, _named(attributes))

    def end(self, *, failed: bool | None = None, message: str = "", **attributes: Any) -> None:
        from opentelemetry.trace import Status, StatusCode

        self._span.set_attributes(_named(attributes))
        if failed is not None:
            self._span.set_status(Status(StatusCode.ERROR, message) if failed else Status(StatusCode.OK))
        self._span.end()


def _trace_parent_of(span: "OtelSpan | None") -> str | None:
    """Of a span, or of the one that is current."""
    from opentelemetry.trace import set_span_in_context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    context = None if span is None else set_span_in_context(span)
    TraceContextTextMapPropagator().inject(carrier, context)
    return carrier.get("traceparent")


def _named(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes under names of our own; what is not known is left out."""
    return {f"signforge.{name}": value for name, value in attributes.items() if value is not None}
