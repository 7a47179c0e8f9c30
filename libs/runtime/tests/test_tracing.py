"""Traces: carried always, exported where a collector is named, never with a patient in them."""

import asyncio
import gzip
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from fj_runtime.spans import without_texts
from fj_testing import eventually
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.trace import StatusCode

if TYPE_CHECKING:
    from .conftest import Start

PARENT = "4bf92f3577b34da6a3ce929d0e0e4736"


class Collector:
    """Takes OTLP over HTTP."""

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.bodies: list[bytes] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def spans(self) -> list[Any]:
        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        scopes = [
            scope for request in requests for resource in request.resource_spans for scope in resource.scope_spans
        ]
        return [span for scope in scopes for span in scope.spans]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                packed = self.headers.get("Content-Encoding") == "gzip"
                collector.bodies.append(gzip.decompress(body) if packed else body)
                self.send_response(200 if self.path == "/v1/traces" else 404)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


@pytest.fixture
def collector(free_port: Callable[[], int]) -> Iterator[Collector]:
    collector = Collector(free_port())
    yield collector
    collector.close()


async def test_requests_are_exported_as_part_of_the_callers_trace_without_values(
    collector: Collector, start: "Start"
) -> None:
    demo = await start(FJ_OTLP_ENDPOINT=collector.address)
    headers = {"traceparent": f"00-{PARENT}-00f067aa0ba902b7-01"}
    await asyncio.to_thread(demo.get, "/api/demo/broken?name=DOE", headers=headers)
    await asyncio.to_thread(demo.get, "/api/demo/orders?limit=3&name=DOE")
    assert await asyncio.to_thread(demo.stop) == 0
    spans = await eventually(lambda: {span.name: span for span in collector.spans}, within=40)
    broken = spans["GET /api/demo/broken"]
    assert broken.trace_id.hex() == PARENT
    assert broken.status.code == StatusCode.ERROR.value
    assert [attribute.key for event in broken.events for attribute in event.attributes] == ["exception.type"]
    assert spans["GET /api/demo/orders"].trace_id.hex() != PARENT
    assert not any(b"DOE" in body for body in collector.bodies)
    logged = next(line for line in demo.lines if line["event"] == "about to break")
    assert logged["trace_id"] == PARENT


async def test_a_collector_that_is_away_does_not_hold_up_the_end(start: "Start", free_port: Callable[[], int]) -> None:
    demo = await start(FJ_OTLP_ENDPOINT=f"http://127.0.0.1:{free_port()}")
    demo.get("/api/demo/orders?limit=3")
    began = time.monotonic()
    assert await asyncio.to_thread(demo.stop) == 0
    assert time.monotonic() - began < 20


async def test_without_a_collector_trace_ids_still_stand_in_the_log(start: "Start") -> None:
    demo = await start()
    demo.get("/api/demo/broken", headers={"traceparent": f"00-{PARENT}-00f067aa0ba902b7-01"})
    assert demo.said("about to break")[0]["trace_id"] == PARENT


def test_of_exceptions_that_others_record_only_the_class_is_left() -> None:
    with TracerProvider(shutdown_on_exit=False).get_tracer("library").start_as_current_span("work") as span:
        span.record_exception(ValueError("DOE^JOHN"))
        span.set_status(StatusCode.ERROR, "DOE^JOHN")
        span.add_event("kept", {"count": 3})
    assert isinstance(span, ReadableSpan)
    cleaned = without_texts(span)
    assert [(event.name, dict(event.attributes or {})) for event in cleaned.events] == [
        ("exception", {"exception.type": "ValueError"}),
        ("kept", {"count": 3}),
    ]
    assert cleaned.status.description is None
    assert "DOE" not in cleaned.to_json()
