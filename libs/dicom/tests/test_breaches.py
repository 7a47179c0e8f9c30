"""What is no message, or not the one that was agreed to: aborted or refused, and the next peer is served."""

import asyncio

import pytest
from fj_dicom import UNCOMPRESSED, VERIFICATION, Answer, CommandField, NormalizedService, Request
from pydicom.uid import ExplicitVRLittleEndian

from libs.dicom.tests.scu import MPPS, Raw, a_request, in_association, listening, message, n_create, pdu

ECHO = (VERIFICATION, UNCOMPRESSED)


async def test_a_data_set_that_cannot_be_decoded_is_a_failure(port: int) -> None:
    async def create(request: Request) -> Answer:
        request.dataset()
        return Answer()

    async with listening(port, NormalizedService(MPPS, {CommandField.N_CREATE: create})):
        with Raw(port) as peer:
            peer.send(a_request(MPPS, str(ExplicitVRLittleEndian)))
            assert (await asyncio.to_thread(peer.read))[0] == 0x02
            peer.send(message(1, n_create(), data=b"\x08\x00\x60\x00CS\x0a\x00CT"))
            kind, body = await asyncio.to_thread(peer.read)
            assert kind == 0x04
            assert b"the data set cannot be decoded" in body


@pytest.mark.parametrize(
    "nonsense",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x01\x00\x00\x00\x00\x04abcd",
        b"\x01\x00\xff\xff\xff\xff",
        b"\x04\x00\x00\x00\x00\x0a\x00\x00\x00\x06\x01\x03abcd",
    ],
)
async def test_what_is_no_request_is_aborted(port: int, nonsense: bytes) -> None:
    async with listening(port):
        with Raw(port) as peer:
            peer.send(nonsense)
            assert (await asyncio.to_thread(peer.read))[0] == 0x07
            assert (await asyncio.to_thread(peer.read))[0] == 0
        assert await in_association(port, lambda link: link.send_c_echo().Status, ECHO) == 0


@pytest.mark.parametrize(
    "breach",
    [
        pdu(1, 2, b"data without a command"),
        pdu(3, 3, n_create()),
        pdu(1, 3, b"no command set"),
        pdu(1, 3, b"\x08\x00\x00\x00\x00\x00\x00\x00"),
        b"\x04\x00\x00\x00\x00\x06\x00\x00\xff\xff\x01\x03",
        b"\x04\x00\x00\x00\x00\x03\x00\x00\x00",
        b"\x04\x00\x00\x00\x00\x00",
        pdu(1, 3, n_create()) + pdu(1, 0, b"ab") + b"\x04\x00\x00\x00\x00\x00" + pdu(1, 2, b"cd"),
        pdu(1, 3, n_create()) + pdu(1, 0, b"ab") + pdu(1, 2, bytes(512 * 1024)),
        b"\x09\x00\x00\x00\x00\x00",
        pdu(1, 3, n_create()) + b"\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00",
        pdu(1, 1, b"") + b"\x05\x00\x00\x00\x00\x04\x00\x00\x00\x00",
    ],
)
async def test_a_breach_of_the_protocol_is_aborted(port: int, breach: bytes) -> None:
    async def create(_: Request) -> Answer:
        return Answer()

    async with listening(port, NormalizedService(MPPS, {CommandField.N_CREATE: create})):
        with Raw(port) as peer:
            peer.send(a_request(MPPS, UNCOMPRESSED[0]))
            assert (await asyncio.to_thread(peer.read))[0] == 0x02
            peer.send(breach)
            assert (await asyncio.to_thread(peer.read))[0] == 0x07


async def test_a_command_for_another_class_than_its_context_is_refused(port: int) -> None:
    async def create(_: Request) -> Answer:
        return Answer()

    async with listening(port, NormalizedService(MPPS, {CommandField.N_CREATE: create})):
        with Raw(port) as peer:
            peer.send(a_request(MPPS, UNCOMPRESSED[0]))
            await asyncio.to_thread(peer.read)
            peer.send(message(1, n_create(b"1.2.3\0"), b"\x08\x00\x60\x00CS\x02\x00CT"))
            _, body = await asyncio.to_thread(peer.read)
            assert b"\x00\x00\x00\x09\x02\x00\x00\x00\x18\x01" in body
