"""The MLLP client against destinations that answer well, badly, or not at all."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fj_hl7 import (
    AckCode,
    CannotConnect,
    ErrorCode,
    Hl7Error,
    Message,
    MllpClient,
    MllpServer,
    NoAnswer,
    Refused,
    ack,
    frame,
)
from fj_testing import eventually

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def oru(control_id: object) -> bytes:
    return f"MSH|^~\\&|FJ|MAIN|EHR|NORTH|2026||ORU^R01^ORU_R01|{control_id}|P|2.5.1\r".encode()


@asynccontextmanager
async def destination(serve: Serve) -> AsyncIterator[int]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def answering(
    handle: Callable[[bytes, str], Awaitable[bytes]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    server = MllpServer("ehr", "127.0.0.1", 0, handle, ssl=tls)
    stop = asyncio.Event()
    task = asyncio.create_task(server.run(stop))
    await eventually(lambda: server.health().ok, every=0.001)
    try:
        yield server.port
    finally:
        stop.set()
        await task


async def accept(raw: bytes, _: str) -> bytes:
    return ack(Message.parse(raw), AckCode.AA)


async def test_many_senders_one_message_in_flight() -> None:
    at_once = most = 0

    async def watch(raw: bytes, peer: str) -> bytes:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.001)
        at_once -= 1
        return await accept(raw, peer)

    async with answering(watch) as port, MllpClient("127.0.0.1", port) as client:
        answers = await asyncio.gather(*(client.send(oru(number)) for number in range(50)))
    assert [answer.control_id for answer in answers] == [str(number) for number in range(50)]
    assert most == 1


async def test_a_refusal_carries_why_and_the_connection_stays() -> None:
    async def refuse(raw: bytes, peer: str) -> bytes:
        error = Hl7Error("unknown patient", ErrorCode.UNKNOWN_KEY_IDENTIFIER, "PID", 1, 3)
        return ack(Message.parse(raw), AckCode.AE, error) if b"|7|" in raw else await accept(raw, peer)

    async with answering(refuse) as port, MllpClient("127.0.0.1", port) as client:
        with pytest.raises(Refused) as refused:
            await client.send(oru(7))
        assert (await client.send(oru(8))).accepted
    assert (refused.value.ack.code, refused.value.ack.errors[0].text) == ("AE", "unknown patient")
    assert refused.value.destination == f"127.0.0.1:{port}"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x0bMSH|^~\\&|EHR\x1c\r",
        frame(ack(Message.parse(oru("another")), AckCode.AA)),
        frame(b"nonsense"),
        b"\x0bMSH|never ends",
    ],
    ids=["none", "no MSA", "another id", "nonsense", "half"],
)
async def test_without_a_right_answer_it_is_not_known(answer: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\x1c\r")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with destination(serve) as port, MllpClient("127.0.0.1", port, timeout=5) as client:
        with pytest.raises(NoAnswer):
            await client.send(oru(1))


async def test_the_wait_for_an_answer_ends_and_a_late_answer_is_not_taken_for_the_next() -> None:
    async def late(raw: bytes, peer: str) -> bytes:
        if b"|slow|" in raw:
            await asyncio.sleep(1.5)
        return await accept(raw, peer)

    async with answering(late) as port, MllpClient("127.0.0.1", port, timeout=1) as client:
        with pytest.raises(NoAnswer, match="within 1 s"):
            await client.send(oru("slow"))
        assert (await client.send(oru("next"))).control_id == "next"


async def test_nobody_there() -> None:
    async with answering(accept) as port:
        pass
    async with MllpClient("127.0.0.1", port) as client:
        with pytest.raises(CannotConnect):
            await client.send(oru(1))


async def test_it_connects_again_when_the_destination_comes_back(free_port: Callable[[], int]) -> None:
    port = free_port()
    async with MllpClient("127.0.0.1", port) as client:
        for number in range(3):
            server = MllpServer("ehr", "127.0.0.1", port, accept)
            stop = asyncio.Event()
            task = asyncio.create_task(server.run(stop))
            await eventually(lambda server=server: server.health().ok)  # type: ignore[misc]
            assert (await client.send(oru(number))).accepted
            stop.set()
            await task


async def test_an_answer_may_lack_its_cr() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raw = await reader.readuntil(b"\x1c\r")
        writer.write(frame(ack(Message.parse(raw[1:-2]), AckCode.AA)).removesuffix(b"\r"))
        await writer.drain()
        writer.close()

    async with destination(serve) as port, MllpClient("127.0.0.1", port) as client:
        assert (await client.send(oru(1))).accepted


async def test_both_ends_speak_tls(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    making = await asyncio.create_subprocess_exec(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
        *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate),
        stderr=subprocess.DEVNULL,
    )
    assert await making.wait() == 0
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(certificate, key)
    theirs = ssl.create_default_context(cafile=str(certificate))
    async with answering(accept, ours) as port:
        async with MllpClient("127.0.0.1", port, ssl=theirs) as client:
            for number in range(20):
                assert (await client.send(oru(number))).accepted
        async with MllpClient("127.0.0.1", port, ssl=ssl.create_default_context()) as stranger:
            with pytest.raises(CannotConnect):
                await stranger.send(oru(1))
        async with MllpClient("127.0.0.1", port, timeout=2) as plain:
            with pytest.raises(NoAnswer):
                await plain.send(oru(1))
