"""A small service that tests run as a process of its own. What misbehaves is chosen by DEMO_PARTS."""

import asyncio
import gc
import os
import time
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response, StreamingResponse
from fj_runtime import (
    Actor,
    Health,
    MachineActor,
    OperatorError,
    Part,
    Periodic,
    Port,
    Problem,
    SchemaTooOld,
    ServiceSettings,
    api,
    command,
    serve,
)
from opentelemetry import trace
from pydantic import BaseModel, field_validator
from pydantic_settings import SettingsConfigDict
from starlette.routing import Route

log = structlog.get_logger("demo_service")


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="DEMO_")

    http_port: Port = 21999
    parts: str = ""
    grace: float = 15


class Patient(BaseModel):
    family_name: str
    number: int

    @field_validator("number")
    @classmethod
    def _is_positive(cls, value: int) -> int:
        if value < 0:
            raise ValueError(f"number {value} is negative")
        return value


class Order(BaseModel):
    patient: Patient


class Misbehaving:
    """A part that does as its name says."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sick = False

    async def run(self, stop: asyncio.Event) -> None:
        match self.name:
            case "failing":
                await asyncio.sleep(0.2)
                raise ValueError("the patient DOE^JOHN broke it")
            case "outdated":
                raise SchemaTooOld("demo is at 1, needs 2")
            case "returning":
                return
            case "deaf":
                await asyncio.sleep(3600)
            case "blocked":
                await asyncio.to_thread(time.sleep, 3600)
            case _:
                await stop.wait()
                log.info("drained", part=self.name)

    def health(self) -> Health:
        if self.sick:
            return Health(ok=False, detail="as ordered")
        if self.name == "mute":
            raise RuntimeError("DOE^JOHN")
        return Health(ok=True)


routes = APIRouter(prefix="/api/demo")


@routes.post("/orders/{order_id}", status_code=201)
async def place(order_id: int, order: Order, actor: Actor) -> dict[str, Any]:
    return {"order_id": order_id, "number": order.patient.number, "actor": actor}


@routes.get("/orders")
async def find(limit: int) -> dict[str, int]:
    return {"limit": limit}


@routes.post("/instances")
async def store(actor: MachineActor) -> dict[str, str | None]:
    return {"actor": actor}


@routes.get("/missing")
async def missing() -> None:
    raise Problem(404, "There is no such order", order_id="17")


@routes.get("/broken")
async def broken() -> None:
    log.error("about to break", patient_name="DOE^JOHN", order_id="17")
    error = ValueError("cannot parse DOE^JOHN")
    trace.get_current_span().record_exception(error)  # as instrumented libraries do
    raise error


@routes.get("/away/{what}")
async def away(what: str) -> None:
    raise {
        "refused": ConnectionRefusedError(111, "nobody at 127.0.0.1:5432"),
        "slow": TimeoutError(),
        "restarting": asyncpg.CannotConnectNowError("the database system is starting up"),
        "lost": asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
    }[what]


@routes.post("/large", max_body_size=4 * 1024 * 1024)
async def large(request: Request) -> int:
    return len(await request.body())


@routes.post("/small")
async def small(request: Request) -> int:
    return len(await request.body())


@routes.post("/unread")
async def unread() -> int:
    return 1


@routes.get("/stream")
async def stream(request: Request) -> StreamingResponse:
    async def lines() -> AsyncIterator[str]:
        stopping: asyncio.Event = request.app.state.stopping
        while not stopping.is_set():
            yield "data: tick\n\n"
            await asyncio.sleep(0.1)

    return StreamingResponse(lines(), media_type="text/event-stream")


@routes.get("/garbage")
async def garbage() -> int:
    """How many objects a search for garbage looks through."""
    return len(gc.get_objects())


@routes.post("/sick")
async def sick(request: Request) -> None:
    for part in request.app.state.parts:
        part.sick = True


async def slice_(request: Request) -> Response:
    match request.path_params["number"]:
        case "missing":
            raise Problem(404, "There is no such slice", {"Retry-After": "2"}, series="17")
        case "broken":
            raise ValueError("cannot parse DOE^JOHN")
        case "away":
            raise ConnectionRefusedError(111, "nobody at 127.0.0.1:5432")
    return Response(request.path_params["number"], headers={"X-Parts": str(len(request.app.state.parts))})


def application(parts: list[Misbehaving]) -> FastAPI:
    app = api("demo", routes, foremost=[Route("/api/demo/slices/{number}", slice_)])
    app.state.parts = parts
    return app


async def run(settings: Settings, roles: frozenset[str]) -> None:
    log.info("running", roles=roles)
    if settings.parts == "old":
        raise SchemaTooOld("demo is at 1, needs 2")
    parts = [Misbehaving(name) for name in settings.parts.split(",") if name and name != "sweep"]
    sweeps: list[Part] = [Periodic("sweep", 0.05, sweep)] if "sweep" in settings.parts else []
    await serve(settings, [*parts, *sweeps], application(parts), settings.grace)


async def sweep() -> None:
    raise LookupError("DOE^JOHN")


async def say(_: Settings, arguments: Any) -> int:
    if arguments.words == "refuse":
        raise OperatorError("refused as asked")
    print(arguments.words)  # noqa: T201 - the output of the command
    return 7


if __name__ == "__main__":
    command(
        "demo",
        Settings,
        run,
        ("consumer", "relay"),
        os.environ.get("DEMO_MIGRATIONS", "").split(),
        {"say": ("Say something.", say, lambda parser: parser.add_argument("words"))},
    )
