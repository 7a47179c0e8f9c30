"""Traces: one provider per process, exported only where a collector is named."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from fj_runtime.redaction import redact

_propagator: Final = TraceContextTextMapPropagator()
_tracer: Final = trace.get_tracer("filmjacket")
_FLUSH_SECONDS: Final = 3


def configure_tracing(service: str, endpoint: str | None) -> None:
    """Install the provider. With an `endpoint` (`http://host:4318`) spans go there by OTLP over HTTP.

    Without one, spans are numbered but not recorded: trace ids still travel with events and stand in the logs.
    """
    from fj_runtime.spans import provider  # the SDK costs memory that a process without tracing need not pay  # noqa: PLC0415

    trace.set_tracer_provider(provider(service, endpoint))


def end_tracing() -> None:
    """Send what is still here. A collector that does not answer holds up nobody's end: spans are lost, not time."""
    shutdown = getattr(trace.get_tracer_provider(), "shutdown", None)
    if shutdown is not None:
        sending = threading.Thread(target=shutdown, daemon=True)
        sending.start()
        sending.join(_FLUSH_SECONDS)


@contextmanager
def traced(
    name: str, traceparent: str | None = None, kind: SpanKind = SpanKind.INTERNAL, **attributes: object
) -> Iterator[trace.Span]:
    """A span around a piece of work, continuing `traceparent` (W3C Trace Context) where one is given.

    Attributes obey the same allow-list as log fields. An exception marks the span with its class, never its text.
    """
    parent = _propagator.extract({"traceparent": traceparent}) if traceparent else None
    safe = {f"filmjacket.{key}": str(value) for key, value in redact(attributes).items()}
    with _tracer.start_as_current_span(
        name, parent, kind, attributes=safe, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except Exception as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__qualname__))
            raise


def traceparent() -> str | None:
    """The current span as the value of a `traceparent` header, or None outside any trace."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")
