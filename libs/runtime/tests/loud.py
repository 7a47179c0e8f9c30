"""Logs in every way a library may, with a patient's name in it; run as a process by test_logs.py."""

import asyncio
import logging
import sys
import threading
import warnings
from enum import Enum

import structlog
from fj_runtime import configure_logs, safe_log_keys, traced
from fj_runtime.tracing import configure_tracing

NAME = "DOE^JOHN"

side = logging.getLogger("eager.library")  # like FastStream: hangs its own handler onto its logger at import
side.addHandler(logging.StreamHandler(sys.stdout))
side.propagate = False

configure_logs("demo", sys.argv[1] if len(sys.argv) > 1 else "INFO", "json")
configure_tracing("demo", None)
safe_log_keys("station_ae_title")


class Colour(Enum):
    RED = "red"


class Careful(Exception):
    phi_free = True


def fail(error: Exception) -> None:
    raise error


def of_our_own() -> None:
    log = structlog.get_logger("demo_service.handlers")
    log.info("own", order_id="17", patient_name=NAME, mrn=4711, station_ae_title="CT1", state=Colour.RED)
    log.info("odd values", order_id={"name": NAME}, topic=[object(), 3], roles=("a", "b"), reason="x " * 900)
    log.info("a sentence where none belongs", error=f"cannot read {NAME}", reason="constant words of ours")
    with structlog.contextvars.bound_contextvars(event_id="e1", who=NAME), traced("work"):
        log.info("bound")
    log.info({"name": NAME})
    try:
        try:
            fail(KeyError(NAME))
        except KeyError as error:
            raise ValueError(f"bad {NAME}") from error
    except ValueError:
        log.exception("chain")
    try:
        fail(ExceptionGroup(NAME, [Careful("told"), OSError(2, NAME)]))
    except ExceptionGroup:
        log.exception("group")


def of_libraries() -> None:
    logging.getLogger("pynetdicom.assoc").info(f"Association with {NAME}")  # noqa: G004 - as libraries do
    logging.getLogger("httpx").info("HTTP Request: %s %s", "GET", f"/q?name={NAME}")
    logging.getLogger("numbers").warning("%d of %d for %s", 3, 4, NAME)
    logging.getLogger("wrong").warning("%d pages", NAME)
    logging.getLogger("mapped").warning("%(n)d for %(name)s", {"n": 5, "name": NAME})
    logging.getLogger("extra").warning("with %s", 1, extra={"topic": "orders", "patient": NAME})
    logging.getLogger("aiokafka.cluster").info("Topic %s is not available", "order-events")
    logging.getLogger("aiokafka.producer").debug("Sending (key=%s value=%s) to %s", b"k", NAME, "tp")
    logging.getLogger("fj_bus.relay").info("caught up")
    side.error(f"failed for {NAME}")
    late = logging.getLogger("late.library")
    late.propagate = False
    late.addHandler(logging.StreamHandler(sys.stdout))
    late.error(f"failed for {NAME}")
    warnings.warn(f"deprecated for {NAME}", UserWarning, stacklevel=1)


class Dying:
    def __del__(self) -> None:
        raise ValueError(NAME)


async def of_tasks() -> None:
    async def forgotten() -> None:
        fail(ValueError(NAME))

    asyncio.ensure_future(forgotten())  # noqa: RUF006 - the point: nobody asks for its result
    await asyncio.sleep(0.01)
    asyncio.get_running_loop().call_soon(int, NAME)
    await asyncio.sleep(0.01)


def of_nobody() -> None:
    thread = threading.Thread(target=fail, args=(ValueError(NAME),), name="scp")
    thread.start()
    thread.join()
    Dying()
    raise LookupError(NAME)


if __name__ == "__main__":
    of_our_own()
    of_libraries()
    asyncio.run(of_tasks())
    of_nobody()
