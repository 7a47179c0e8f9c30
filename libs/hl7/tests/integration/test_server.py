"""The MLLP server on real sockets, with peers that behave as peers do."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

import pytest
from fj_hl7 import Ack, AckCode, CannotConnect, Framer, Limits, Message, MllpClient, MllpServer, ack, frame, read_ack
from fj_hl7.connection import Handle
from fj_testing import eventually
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def adt(control_id: object, *lines: str) -> bytes:
    head = f"MSH|^~\\&|EHR|NORTH|FJ|MAIN|20260301101500||ADT^A04^ADT_A01|{control_id}|P|2.5"
    return "\r".join((head, *lines)).encode() + b"\r"


async def accept(raw: bytes, peer: str) -> bytes:
    assert peer == "127.0.0.1"
    return ack(Message.parse(raw), AckCode.AA)


@dataclass
class Door:
    """A running server."""

    server: MllpServer
    stop: asyncio.Event
    task: asyncio.Task[None]

    @property
    def port(self) -> int:
        return self.server.port

    async def shut(self) -> None:
        self.stop.set()
        await self.task


@asynccontextmanager
async def opened(handle: Handle = accept, limits: Limits | None = None) -> AsyncIterator[Door]:
    server = MllpServer("door", "127.0.0.1", 0, handle, limits=limits or Limits(grace=0.05))
    stop = asyncio.Event()
    door = Door(server, stop, asyncio.create_task(server.run(stop)))
    await eventually(lambda: server.health().ok, every=0.001)
    try:
        yield door
    finally:
        await door.shut()


@dataclass
class Peer:
    """Writes raw bytes to a door, reads its answers."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    @asynccontextmanager
    async def of(cls, door: Door) -> AsyncIterator[Self]:
        peer = cls(*await asyncio.open_connection("127.0.0.1", door.port))
        try:
            yield peer
        finally:
            peer.writer.close()
            with contextlib.suppress(OSError):
                await peer.writer.wait_closed()

    def send(self, *messages: bytes) -> None:
        self.writer.write(b"".join(map(frame, messages)))

    async def answers(self, count: int, within: float = 10) -> list[Ack]:
        framer, got = Framer(2**24), list[bytes]()
        async with asyncio.timeout(within):
            while len(got) < count:
                data = await self.reader.read(2**16)
                assert data, f"closed after {len(got)} of {count} answers"
                got += framer.feed(data)
        assert len(got) == count
        return [read_ack(raw) for raw in got]

    async def answer(self) -> Ack:
        return (await self.answers(1))[0]

    async def closed(self, within: float = 10) -> bytes:
        """What comes until the door closes the connection."""
        async with asyncio.timeout(within):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""


async def test_pipelined_frames_are_answered_in_their_order() -> None:
    async def slow_at_first(raw: bytes, peer: str) -> bytes:
        await asyncio.sleep(0.01 if b"|0|" in raw else 0)
        return await accept(raw, peer)

    async with opened(slow_at_first) as door, Peer.of(door) as peer:
        peer.send(*(adt(number) for number in range(200)))
        assert [answer.control_id for answer in await peer.answers(200)] == [str(number) for number in range(200)]


async def test_a_frame_may_come_byte_by_byte_after_garbage() -> None:
    async with opened() as door, Peer.of(door) as peer:
        for byte in b"garbage\r\n" + frame(adt("slow")):
            peer.writer.write(bytes([byte]))
            await peer.writer.drain()
        assert (await peer.answer()).control_id == "slow"


async def test_the_cr_after_fs_may_be_missing() -> None:
    async with opened() as door, Peer.of(door) as peer:
        for number in range(3):
            peer.writer.write(frame(adt(number)).removesuffix(b"\r"))
            assert (await peer.answer()).control_id == str(number)
        peer.writer.write(b"\r")
        peer.send(adt("next"))
        assert (await peer.answer()).control_id == "next"


async def test_a_frame_that_was_given_up_is_not_answered_and_the_next_one_is() -> None:
    async with opened() as door, Peer.of(door) as peer:
        peer.writer.write(b"\x0b" + adt("half")[:-20])
        peer.send(adt("whole"))
        assert (await peer.answer()).control_id == "whole"


async def test_a_frame_over_the_limit_is_refused_by_name_and_the_others_go_on() -> None:
    async with opened(limits=Limits(frame=10_000)) as door, Peer.of(door) as big, Peer.of(door) as other:
        big.send(adt("good"), adt("big", "NTE|1||" + "x" * 20_000))
        answers = await big.answers(2)
        assert [(answer.code, answer.control_id) for answer in answers] == [("AA", "good"), ("AR", "big")]
        assert "longer than 10000 bytes" in answers[1].text
        assert await big.closed() == b""
        other.send(adt("after"))
        assert (await other.answer()).code == "AA"


async def test_a_large_message_within_the_limit_is_taken() -> None:
    async with opened() as door, Peer.of(door) as peer:
        peer.send(adt("large", "NTE|1||" + "x" * 15_000_000))
        assert (await peer.answer()).code == "AA"


async def test_an_idle_peer_is_closed_and_one_that_stalls_in_a_frame_is_cut() -> None:
    async with opened(limits=Limits(idle=1.0, stall=0.3)) as door, Peer.of(door) as idle, Peer.of(door) as stalled:
        idle.send(adt(1))
        assert (await idle.answer()).code == "AA"
        stalled.writer.write(b"\x0bMSH|")
        assert await stalled.closed(within=10) == b""
        assert await idle.closed(within=10) == b""


async def test_a_peer_that_sends_now_and_then_is_not_idle() -> None:
    async with opened(limits=Limits(idle=1.0, stall=1.0)) as door, Peer.of(door) as peer:
        for number in range(4):
            await asyncio.sleep(0.4)
            peer.send(adt(number))
            assert (await peer.answer()).code == "AA"


async def test_a_handler_that_fails_is_answered_without_its_words() -> None:
    async def fail(raw: bytes, peer: str) -> bytes:
        if b"bad" in raw:
            raise ValueError("Example^Ada")
        return await accept(raw, peer)

    async with opened(fail) as door, Peer.of(door) as peer:
        peer.send(adt("bad"), adt("good"))
        bad, good = await peer.answers(2)
        assert (bad.code, bad.control_id, good.code) == ("AE", "bad", "AA")
        assert "Ada" not in bad.text + bad.errors[0].text


async def test_a_handler_that_hangs_is_cancelled_and_answered() -> None:
    cancelled = asyncio.Event()

    async def hang(raw: bytes, peer: str) -> bytes:
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()
        return await accept(raw, peer)

    async with opened(hang, Limits(answer=0.1)) as door, Peer.of(door) as peer:
        peer.send(adt("slow"))
        assert (await peer.answer()).code == "AE"
        assert cancelled.is_set()


async def test_a_peer_that_has_sent_all_still_gets_its_answers() -> None:
    async with opened() as door, Peer.of(door) as peer:
        peer.send(*map(adt, range(50)))
        peer.writer.write_eof()
        assert len(await peer.answers(50)) == 50
        assert await peer.closed() == b""


async def test_no_more_connections_than_the_limit() -> None:
    async with opened(limits=Limits(connections=2)) as door:
        async with Peer.of(door) as first, Peer.of(door) as second:
            for peer in (first, second):
                peer.send(adt(1))
                assert (await peer.answer()).code == "AA"
            async with Peer.of(door) as third:
                assert await third.closed() == b""
        await eventually(lambda: "0 connections" in door.server.health().detail)
        async with Peer.of(door) as fourth:
            fourth.send(adt(4))
            assert (await fourth.answer()).code == "AA"


async def test_stopping_answers_what_is_in_hand_and_takes_no_more() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def wait(raw: bytes, peer: str) -> bytes:
        begun.set()
        await go_on.wait()
        return await accept(raw, peer)

    async with opened(wait) as door, Peer.of(door) as peer:
        peer.send(adt(1), adt(2))
        peer.writer.write(b"\x0bMSH|half")
        await begun.wait()
        shut = asyncio.create_task(door.shut())
        await eventually(lambda: not door.server.health().ok)
        async with MllpClient("127.0.0.1", door.port) as late:
            with pytest.raises(CannotConnect):
                await late.send(adt(3))
        go_on.set()
        assert [answer.control_id for answer in await peer.answers(2)] == ["1", "2"]
        assert await peer.closed() == b""
        await shut


async def test_a_peer_that_vanishes_leaves_nothing_behind() -> None:
    async with opened() as door:
        async with Peer.of(door) as peer:
            peer.send(*map(adt, range(20)))
            await eventually(lambda: "1 connections" in door.server.health().detail)
            peer.writer.transport.abort()
        await eventually(lambda: "0 connections" in door.server.health().detail)


async def test_a_peer_that_never_reads_is_cut() -> None:
    async def long(raw: bytes, peer: str) -> bytes:
        return ack(Message.parse(raw), AckCode.AA) + b"NTE|" + b"x" * 1_000_000 + b"\r"

    async with opened(long, Limits(stall=0.2)) as door, Peer.of(door) as peer:
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined] # a socket transport has it
        peer.send(*map(adt, range(100)))
        await eventually(lambda: "0 connections" in door.server.health().detail)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.binary(max_size=60).map(frame),
            st.binary(max_size=40).map(lambda noise: frame(adt("1") + noise)),
            st.just(frame(adt("2"))[:-30]),
        ),
        max_size=6,
    )
)
async def test_after_any_noise_the_next_message_is_answered(pieces: list[bytes]) -> None:
    seen: list[bytes] = []

    async def count(raw: bytes, peer: str) -> bytes:
        seen.append(raw)
        return ack(Message.parse(raw), AckCode.AA)

    async with opened(count) as door, Peer.of(door) as peer:
        for piece in pieces:
            peer.writer.write(piece)
        peer.writer.write(b"\x1c\r" + frame(adt("last")))
        peer.writer.write_eof()
        framer = Framer(2**20)
        answers = [read_ack(raw) for raw in framer.feed(await peer.closed())]
    assert answers[-1].control_id == "last"
    assert len(answers) == len(seen)
