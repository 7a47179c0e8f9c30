"""W3C trace context in event headers: written from the current span at emit, continued at consumption."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_propagator: Final = TraceContextTextMapPropagator()
_tracer: Final = trace.get_tracer("fj_bus")


def current_traceparent() -> str | None:
    """The current span as a `traceparent` header, or None outside any trace."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def consuming(fact_type: str, event_id: str, traceparent: str | None) -> Iterator[None]:
    """A span around the handling of one fact, child of the span that emitted it."""
    parent = _propagator.extract({"traceparent": traceparent}) if traceparent else None
    attributes = {"messaging.system": "kafka", "messaging.message.id": event_id, "filmjacket.fact_type": fact_type}
    with _tracer.start_as_current_span(
        f"handle {fact_type}",
        parent,
        SpanKind.CONSUMER,
        attributes=attributes,
        record_exception=False,  # texts of exceptions may hold what a patient is called
        set_status_on_exception=False,
    ) as span:
        try:
            yield
        except Exception as error:
            span.set_status(Status(StatusCode.ERROR, type(error).__qualname__))
            raise
