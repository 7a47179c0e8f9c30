"""Associations that we ask for: with pynetdicom's acceptor, with our own, and with peers that misbehave."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Self

import pytest
from fj_dicom import (
    VERIFICATION,
    AssociationLost,
    NotAssociated,
    Outgoing,
    Peer,
    RequestorSettings,
    Status,
    Wanted,
    requested,
    stored_contexts,
)
from fj_dicom.pdu import pieces
from pydicom import Dataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLossless
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.pdu import A_ABORT_RQ
from pynetdicom.sop_class import ModalityPerformedProcedureStep  # type: ignore[attr-defined]  # made at import

from libs.dicom.tests.scu import TITLE, listening

COMMITMENT: Final = UID("1.2.840.10008.1.20.1")
WELL_KNOWN: Final = "1.2.840.10008.1.20.1.1"
CALLER: Final = RequestorSettings(ae_title="FJ_CALLER", connect_timeout_s=2, request_timeout_s=1, network_timeout_s=1)


@dataclass
class Acceptor:
    """An SCP by pynetdicom."""

    port: int
    syntaxes: tuple[str, ...] = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
    maximum_pdu: int = 16382
    stored: list[tuple[str, bytes]] = field(default_factory=list)
    """Transfer syntax and data set."""
    events: list[tuple[int, Dataset]] = field(default_factory=list)
    steps: list[tuple[str, str, Dataset]] = field(default_factory=list)
    """Operation, instance and attribute list of what was created and set."""
    released: int = 0
    aborted: int = 0

    def __enter__(self) -> Self:
        ae = AE("PEER")
        ae.require_called_aet = True
        ae.maximum_pdu_size = self.maximum_pdu
        ae.add_supported_context(VERIFICATION)
        ae.add_supported_context(CTImageStorage, list(self.syntaxes))
        ae.add_supported_context(COMMITMENT, scu_role=False, scp_role=True)
        ae.add_supported_context(ModalityPerformedProcedureStep)
        handlers: list[Any] = [
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_N_EVENT_REPORT, self._report),
            (evt.EVT_N_CREATE, self._create),
            (evt.EVT_N_SET, self._set),
            (evt.EVT_RELEASED, self._count_released),
            (evt.EVT_PDU_RECV, self._count_aborted),
        ]
        server = ae.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)
        assert server is not None
        self._server = server
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()

    @property
    def peer(self) -> Peer:
        return Peer("PEER", "127.0.0.1", self.port)

    def _store(self, event: Event) -> int:
        request: Any = event.request
        self.stored.append((event.context.transfer_syntax, request.DataSet.getvalue()))
        return 0x0000

    def _report(self, event: Event) -> tuple[int, None]:
        request: Any = event.request
        self.events.append((request.EventTypeID, event.event_information))
        return 0x0000, None

    def _create(self, event: Event) -> tuple[int, None]:
        request: Any = event.request
        self.steps.append(("create", request.AffectedSOPInstanceUID, event.attribute_list))
        return 0x0000, None

    def _set(self, event: Event) -> tuple[Dataset, None]:
        request: Any = event.request
        self.steps.append(("set", request.RequestedSOPInstanceUID, event.modification_list))
        answer = Dataset()
        answer.Status, answer.ErrorID = 0x0110, 0xA710
        return answer, None

    def _count_released(self, _: Event) -> None:
        self.released += 1

    def _count_aborted(self, event: Event) -> None:
        self.aborted += isinstance(event.pdu, A_ABORT_RQ)


@contextmanager
def answering(port: int, answer: Callable[[socket.socket], None]) -> Iterator[Peer]:
    """A peer that answers whatever it likes."""
    with socket.create_server(("127.0.0.1", port)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                answer(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Peer("PEER", "127.0.0.1", port)
        finally:
            thread.join()


def test_a_peer_answers_an_echo_and_is_released(port: int) -> None:
    with Acceptor(port) as acceptor:
        with requested(acceptor.peer, CALLER, [Wanted(VERIFICATION)]) as association:
            assert association.echo().code == 0
        assert (acceptor.released, acceptor.aborted) == (1, 0)


def test_a_performed_step_is_created_and_set_and_a_refusal_says_why(port: int) -> None:
    content = Dataset()
    content.PerformedProcedureStepStatus = "IN PROGRESS"
    wanted = [Wanted(ModalityPerformedProcedureStep)]
    with Acceptor(port) as acceptor, requested(acceptor.peer, CALLER, wanted) as association:
        created = association.create(ModalityPerformedProcedureStep, "1.2.5", content)
        refused = association.set(ModalityPerformedProcedureStep, "1.2.5", content)
    assert (created.code, created.is_taken) == (0, True)
    assert (refused.code, refused.error_id, refused.is_taken) == (0x0110, 0xA710, False)
    assert [(act, uid) for act, uid, _ in acceptor.steps] == [("create", "1.2.5"), ("set", "1.2.5")]
    assert {told.PerformedProcedureStepStatus for _, _, told in acceptor.steps} == {"IN PROGRESS"}


@pytest.mark.parametrize(
    ("code", "taken"),
    [(0x0000, True), (0x0107, True), (0x0116, True), (0xB007, True), (0x0111, False), (0xA700, False)],
)
def test_a_warning_is_a_success(code: int, taken: bool) -> None:
    assert Status(code).is_taken is taken


def test_instances_go_in_pieces_of_any_length_and_arrive_as_they_were(port: int) -> None:
    whole = bytes(range(256)) * 4001
    cut = [whole[:1], whole[1:70_001], whole[70_001:70_002], whole[70_002:]]
    with Acceptor(port, syntaxes=(JPEGLossless, ImplicitVRLittleEndian)) as acceptor:
        kept = Outgoing(CTImageStorage, "1.2.3", JPEGLossless)
        plain = Outgoing(CTImageStorage, "1.2.4", ImplicitVRLittleEndian)
        contexts = stored_contexts([(CTImageStorage, JPEGLossless)])
        with requested(acceptor.peer, CALLER, contexts) as association:
            assert association.sender.accepted(CTImageStorage) == (JPEGLossless, ImplicitVRLittleEndian)
            assert association.sender.accepted("1.2.840.10008.5.1.4.1.1.4") == ()
            assert association.sender.store(kept, cut).code == 0
            assert association.sender.store(plain, [whole[:8]], move_originator=("WS1", 7)).code == 0
    assert acceptor.stored == [(JPEGLossless, whole), (ImplicitVRLittleEndian, whole[:8])]


@pytest.mark.parametrize("sizes", [[10], [9_000], [9_001, 3, 20_000], [1] * 50, []])
def test_fragments_are_even_fit_their_pdus_and_the_last_one_says_so(sizes: list[int]) -> None:
    data = [bytes([number % 256]) * size for number, size in enumerate(sizes)]
    length = sum(sizes) + sum(sizes) % 2
    data += [b"\0"] * (sum(sizes) % 2)
    sent = b"".join(pieces(5, data, 4097))
    received, place = b"", 0
    controls: list[int] = []
    while place < len(sent):
        size = int.from_bytes(sent[place + 2 : place + 6], "big")
        assert size <= 4097
        fragment = sent[place + 12 : place + 6 + size]
        assert len(fragment) % 2 == 0
        assert sent[place + 10] == 5
        received, controls = received + fragment, [*controls, sent[place + 11]]
        place += 6 + size
    assert received == b"".join(data)
    assert len(received) == length
    assert controls == [0] * (len(controls) - 1) + [2]


def test_an_event_is_reported_in_the_role_of_the_scp(port: int) -> None:
    content = Dataset()
    content.TransactionUID = "1.2.3"
    with Acceptor(port) as acceptor:
        with requested(acceptor.peer, CALLER, [Wanted(COMMITMENT, as_scp=True)]) as association:
            assert association.accepts(COMMITMENT)
            assert association.report(COMMITMENT, WELL_KNOWN, 1, content).code == 0
        assert [(event, told.TransactionUID) for event, told in acceptor.events] == [(1, "1.2.3")]


def test_a_block_that_fails_aborts(port: int) -> None:
    with Acceptor(port) as acceptor:
        with pytest.raises(KeyError), requested(acceptor.peer, CALLER, [Wanted(VERIFICATION)]):
            raise KeyError
        deadline = time.monotonic() + 20
        while not acceptor.aborted and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (acceptor.aborted, acceptor.released) == (1, 0)


def test_why_there_is_no_association_is_said_in_words(port: int) -> None:
    with pytest.raises(NotAssociated, match="PEER cannot be reached: ConnectionRefusedError"):
        ask(Peer("PEER", "127.0.0.1", port))
    with Acceptor(port) as acceptor:
        stranger = Peer("NOBODY", "127.0.0.1", acceptor.port)
        with pytest.raises(NotAssociated, match=r"NOBODY rejects the association: .*called ae title not recogni"):
            ask(stranger)
        with (
            requested(acceptor.peer, CALLER, [Wanted("1.2.3")]) as association,
            pytest.raises(NotAssociated, match="does not accept Verification"),
        ):
            association.echo()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "does not answer the request for an association: the peer closed the connection"),
        (b"\x07\x00\x00\x00\x00\x04\x00\x00\x00\x00", "by a PDU of type 0x07"),
        (b"\x02\x00\x00\x00\x00\x49" + bytes(68) + b"\x21\x00\xff\xff\x01", "A-ASSOCIATE-AC of PEER cannot be decoded"),
        (b"\x03\x00\x00\x00\x00\x04\x00\x09\x09\x09", "for a reason that is not in the standard"),
    ],
)
def test_a_peer_that_answers_nonsense(port: int, answer: bytes, words: str) -> None:
    with (
        answering(port, lambda connection: connection.sendall(answer)) as peer,
        pytest.raises(NotAssociated, match=words),
    ):
        ask(peer)


def test_a_peer_that_falls_silent_is_not_waited_for(port: int) -> None:
    over = threading.Event()

    def say_nothing(_: socket.socket) -> None:
        over.wait(10)

    with answering(port, say_nothing) as peer:
        with pytest.raises(NotAssociated, match="the peer fell silent"):
            ask(peer)
        over.set()


async def test_our_own_acceptor_takes_our_own_requestor(port: int) -> None:
    async with listening(port):
        await asyncio.to_thread(ask, Peer(TITLE, "127.0.0.1", port))


def test_after_its_end_an_association_cannot_be_used(port: int) -> None:
    with Acceptor(port) as acceptor:
        with requested(acceptor.peer, CALLER, [Wanted(VERIFICATION)]) as association:
            association.echo()
        with pytest.raises(AssociationLost):
            association.echo()


def ask(peer: Peer) -> None:
    with requested(peer, CALLER, [Wanted(VERIFICATION)]) as association:
        assert association.echo().code == 0
