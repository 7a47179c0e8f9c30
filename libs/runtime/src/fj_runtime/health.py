"""What an orchestrator asks a process."""

import asyncio
from collections.abc import Sequence
from typing import Any

from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fj_runtime.parts import Part


def probes(parts: Sequence[Part], stop: asyncio.Event) -> list[Route]:
    """`/health/live` (the loop turns), `/health/ready` (every part is well, and we are not stopping), `/metrics`."""

    async def ready(_: Request) -> Response:
        stopping = stop.is_set()
        judged = [_judged(part) for part in parts]
        well = not stopping and all(entry["ok"] for entry in judged)
        return JSONResponse({"ready": well, "stopping": stopping, "parts": judged}, 200 if well else 503)

    return [Route("/health/live", _live), Route("/health/ready", ready), Route("/metrics", _metrics)]


async def _live(_: Request) -> Response:
    return JSONResponse({"live": True})


async def _metrics(request: Request) -> Response:
    encode, media_type = choose_encoder(request.headers.get("Accept", ""))
    return Response(encode(REGISTRY), media_type=media_type)


def _judged(part: Part) -> dict[str, Any]:
    try:
        verdict = part.health()
    except Exception as error:  # noqa: BLE001 - a part that cannot say how it is, is not well
        return {"name": part.name, "ok": False, "detail": type(error).__qualname__}
    return {"name": part.name, "ok": verdict.ok, "detail": verdict.detail}
