"""Which associations are accepted, and what a requestor learns of one that is not (PS3.8 section 9.3)."""

import asyncio
import threading
import time
from collections.abc import Iterable
from typing import Any

import pytest
from fj_dicom import UNCOMPRESSED, VERIFICATION, FindService, Request
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.pdu import A_ASSOCIATE_AC
from pynetdicom.pdu_items import AsynchronousOperationsWindowSubItem
from pynetdicom.transport import AssociationSocket

from libs.dicom.tests.scu import Kept, Raw, a_request, a_store, associate, listening

MPPS = "1.2.840.10008.3.1.2.3.3"
MWL = "1.2.840.10008.5.1.4.31"
ECHO = (VERIFICATION, UNCOMPRESSED)


@pytest.mark.parametrize(
    ("called", "calling", "diagnostic"), [("SOMEBODY", "CT1", 7), ("FJ_TEST", "MR7", 3), ("FJ_TEST", "CT1", None)]
)
async def test_titles_are_checked(port: int, called: str, calling: str, diagnostic: int | None) -> None:
    async with listening(port, callers=frozenset({"CT1"})):
        link = await asyncio.to_thread(associate, port, ECHO, called=called, calling=calling)
        assert link.is_rejected is (diagnostic is not None)
        assert link.acceptor.primitive is not None
        if diagnostic is not None:
            assert link.acceptor.primitive.diagnostic == diagnostic
        await asyncio.to_thread(link.release)


async def test_a_requestor_that_looks_late_knows_a_rejection_from_a_failure(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pynetdicom's own thread may be late on a busy machine: its connection must still be open then."""

    class Late(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            came = super().wait(timeout)
            time.sleep(0.02)
            return came

    def late(connection: AssociationSocket, *arguments: Any, **options: Any) -> None:
        usual(connection, *arguments, **options)
        connection._ready = Late()

    usual = AssociationSocket.__init__
    monkeypatch.setattr(AssociationSocket, "__init__", late)
    async with listening(port):
        link = await asyncio.to_thread(associate, port, ECHO, called="SOMEBODY")
    assert link.is_rejected


async def test_one_association_too_many_is_rejected_for_now(port: int) -> None:
    async with listening(port, max_associations=1):
        first = await asyncio.to_thread(associate, port, ECHO)
        second = await asyncio.to_thread(associate, port, ECHO)
        assert second.is_rejected
        assert second.acceptor.primitive is not None
        assert (second.acceptor.primitive.result, second.acceptor.primitive.diagnostic) == (2, 2)
        await asyncio.to_thread(first.release)


async def test_the_same_request_is_agreed_to_again_and_only_where_it_was(port: int, other_port: int) -> None:
    """What was agreed to is remembered for one listener; another one in the same process has terms of its own."""

    def contexts(where: int) -> list[str] | None:
        link = associate(where, ECHO, (CTImageStorage, [ExplicitVRLittleEndian]), calling="CT1")
        accepted = [str(context.abstract_syntax) for context in link.accepted_contexts]
        refused = link.is_rejected
        link.release()
        return None if refused else accepted

    kept = Kept()
    async with listening(port, kept.service()), listening(other_port):
        known = [await asyncio.to_thread(contexts, port) for _ in range(2)]
        assert known == [[VERIFICATION, CTImageStorage]] * 2
        assert await asyncio.to_thread(contexts, other_port) == [VERIFICATION]
    async with listening(port, kept.service(), callers=frozenset({"MR7"})):
        assert await asyncio.to_thread(contexts, port) is None


@pytest.mark.parametrize(("asked", "agreed"), [(3, 3), (0, 8), (200, 8), (None, None)])
async def test_operations_under_way_at_once_are_performed_in_their_order(
    port: int, asked: int | None, agreed: int | None
) -> None:
    """Requests that come before the answer to the one before wait their turn; the window says how many may."""
    kept = Kept()
    sent = [bytes([number]) * 40_000 for number in range(1, 4)]

    def act() -> tuple[int | None, list[bytes]]:
        with Raw(port) as peer:
            peer.send(a_request(CTImageStorage, ExplicitVRLittleEndian, window=asked))
            accepted = A_ASSOCIATE_AC()
            kind, body = peer.read()
            accepted.decode(bytes((kind, 0)) + len(body).to_bytes(4, "big") + body)
            assert accepted.user_information is not None
            items = accepted.user_information.user_data
            windows = [item for item in items if isinstance(item, AsynchronousOperationsWindowSubItem)]
            peer.send(b"".join(a_store(number, data) for number, data in enumerate(sent, start=1)))
            answers = [peer.read()[1] for _ in sent]  # each ends with the instance that it is about
            return (windows[0].max_operations_invoked if windows else None), [answer[-6:-1] for answer in answers]

    async with listening(port, kept.service(), operations_window=8):
        assert await asyncio.to_thread(act) == (agreed, [b"1.2.1", b"1.2.2", b"1.2.3"])
    assert kept.data == sent


@pytest.mark.parametrize("first", [20_000, 30_000, 39_990])
async def test_a_data_set_whose_pdus_come_in_halves_is_kept_as_it_was_sent(port: int, first: int) -> None:
    kept = Kept()
    data = bytes(range(1, 251)) * 160

    def act() -> None:
        with Raw(port) as peer:
            peer.send(a_request(CTImageStorage, ExplicitVRLittleEndian))
            peer.read()
            whole = a_store(1, data)
            peer.send(whole[:first])
            assert kept.begun.wait(10)
            peer.send(whole[first:])
            peer.read()

    async with listening(port, kept.service()):
        await asyncio.to_thread(act)
    assert kept.data == [data]


async def test_contexts_that_are_not_offered_are_rejected_and_the_senders_order_counts(port: int) -> None:
    async def find(_: Request) -> Iterable[bytes]:
        return ()

    async with listening(port, FindService(MWL, find)):
        link = await asyncio.to_thread(
            associate,
            port,
            (MWL, [ImplicitVRLittleEndian, ExplicitVRLittleEndian]),
            (MPPS, UNCOMPRESSED),
            (MWL, ["1.2.3"]),
        )
        assert [context.transfer_syntax for context in link.accepted_contexts] == [[ImplicitVRLittleEndian]]
        assert [context.result for context in link.rejected_contexts] == [3, 4]
        await asyncio.to_thread(link.release)
