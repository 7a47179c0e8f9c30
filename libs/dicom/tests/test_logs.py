"""What a patient is called never gets into the log, wherever a device puts it."""

import ast
import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import fj_dicom
import pytest
from fj_dicom import UNCOMPRESSED, Answer, CommandField, NormalizedService, Refused, Request, Status, Store
from fj_testing import eventually
from structlog.testing import capture_logs
from structlog.typing import EventDict

from libs.dicom.tests.scu import MPPS, Raw, a_request, listening, message, n_create, pdu

NAME = b"DOE^JOHN"
DATA = b"\x10\x00\x10\x00PN\x08\x00" + NAME
"""Patient's Name in explicit VR little endian."""
SPOKEN = {"kind", "length", "self._max_length", "COMMAND_SET_MAX", "type(reason).__name__"}
"""What the reasons of broken and lost associations are composed of: numbers, limits, classes."""


@pytest.fixture
def port(free_port: Callable[[], int]) -> int:
    return free_port()


async def create(request: Request) -> Answer:
    """A service with a bug, or one that says too much."""
    if request.command.sop_instance_uid == "1.2":
        raise ValueError(f"cannot store {NAME.decode()}")
    raise Refused(Status(Store.CANNOT_UNDERSTAND, f"{NAME.decode()} again"))


def ended(logs: list[EventDict]) -> bool:
    return any(each["event"] in {"association aborted", "association lost", "service failed"} for each in logs)


@pytest.mark.parametrize(
    "sent",
    [
        pdu(1, 2, DATA),
        pdu(3, 3, n_create() + DATA),
        pdu(1, 3, DATA),
        pdu(1, 3, n_create() + b"\x00\x00\x00\x10\xff\x00\x00\x00" + NAME),
        pdu(1, 3, NAME * 100_000),
        pdu(1, 3, n_create()) + pdu(1, 3, NAME),
        pdu(1, 3, n_create()) + pdu(1, 0, DATA) + b"\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00",
        b"\x04\x00\x00\x00\x00\x0e\x00\x00\xff\xff\x01\x03" + NAME,
        b"\x4a\x00\x00\x00\x00\x08" + NAME,
        NAME,
        message(1, n_create(), DATA),
    ],
)
async def test_no_association_ends_with_a_name_in_the_log(port: int, sent: bytes) -> None:
    with capture_logs() as logs:
        async with listening(port, NormalizedService(MPPS, {CommandField.N_CREATE: create}), request_timeout_s=5):
            for first in (a_request(MPPS, UNCOMPRESSED[0]), b""):
                logs.clear()
                with Raw(port) as peer:
                    if first:
                        peer.send(first)
                        await asyncio.to_thread(peer.read)
                    peer.send(sent)
                    await asyncio.to_thread(peer.read)
                await eventually(lambda: ended(logs))
                assert NAME.decode() not in repr(logs)


async def test_a_request_that_cannot_be_read_is_not_quoted(port: int) -> None:
    request = a_request(MPPS, UNCOMPRESSED[0]).replace(MPPS.encode(), NAME + bytes(len(MPPS) - len(NAME)))
    with capture_logs() as logs:
        async with listening(port):
            for bad in (request[:-4] + NAME, request[:80] + NAME * 4 + request[112:]):
                with Raw(port) as peer:
                    peer.send(bad)
                    await asyncio.to_thread(peer.read)
        await eventually(lambda: logs)
    assert NAME.decode() not in repr(logs)


def reasons() -> Iterator[tuple[str, ast.expr]]:
    """Place and text of each raise of the errors whose text is logged."""
    for file in Path(fj_dicom.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            match node:
                case ast.Raise(exc=ast.Call(func=ast.Name("ProtocolBroken" | "AssociationLost"), args=[text, *_])):
                    yield f"{file.name}:{text.lineno}", text


def test_the_reasons_that_are_logged_are_sentences_of_our_own() -> None:
    found = list(reasons())
    assert len(found) > 10
    for place, text in found:
        assert isinstance(text, ast.Constant | ast.JoinedStr), place
        spoken = {ast.unparse(part.value) for part in ast.walk(text) if isinstance(part, ast.FormattedValue)}
        assert spoken <= SPOKEN, place
