"""The SDK side of tracing."""

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased
from opentelemetry.trace import Status


def provider(service: str, endpoint: str | None) -> TracerProvider:
    """A provider that exports to `endpoint`, or one that only numbers spans."""
    resource = Resource.create({"service.name": service, "service.namespace": "filmjacket"})
    if endpoint is None:
        return TracerProvider(sampler=ALWAYS_OFF, resource=resource, shutdown_on_exit=False)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - costs 15 MB

    made = TracerProvider(sampler=ParentBased(ALWAYS_ON), resource=resource, shutdown_on_exit=False)
    made.add_span_processor(_WithoutTexts(OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces")))
    return made


class _WithoutTexts(BatchSpanProcessor):
    """Takes the texts of exceptions out of spans, whoever recorded them: libraries put values of patients into them."""

    def on_end(self, span: ReadableSpan) -> None:
        super().on_end(without_texts(span))


def without_texts(span: ReadableSpan) -> ReadableSpan:
    """The same span; of recorded exceptions only the class is left."""
    events = [
        Event(event.name, {"exception.type": (event.attributes or {}).get("exception.type", "")}, event.timestamp)
        if event.name == "exception"
        else event
        for event in span.events
    ]
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes,
        events=events,
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
