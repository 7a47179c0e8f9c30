"""Peers for the tests: pynetdicom as it comes, and one that sends any bytes."""

import asyncio
import itertools
import socket
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Self

from fj_dicom import OK, Caller, Incoming, Peers, Scp, ScpSettings, Service, Status, StoreService
from fj_testing import eventually
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless, MRImageStorage
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu import A_ASSOCIATE_RQ, P_DATA_TF
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    AsynchronousOperationsWindowNegotiation,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import build_context

TITLE = "FJ_TEST"
MPPS = "1.2.840.10008.3.1.2.3.3"


class Kept:
    """A storage that keeps the data sets of CT and MR images in memory."""

    def __init__(self) -> None:
        self.data: list[bytes] = []
        self.begun = threading.Event()

    def service(self) -> StoreService:
        syntaxes = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless]
        return StoreService(dict.fromkeys((CTImageStorage, MRImageStorage), syntaxes), self)

    def receiver(self, _caller: Caller) -> "Kept":
        return self

    def begin(self, _incoming: Incoming) -> "_Keeping":
        self.begun.set()
        return _Keeping(self.data)

    def close(self) -> None:
        """There is nothing to close."""


class _Keeping:
    def __init__(self, kept: list[bytes]) -> None:
        self._kept = kept
        self._data = bytearray()

    def write(self, *pieces: memoryview) -> None:
        for piece in pieces:
            self._data += piece

    def finish(self) -> Status:
        self._kept.append(bytes(self._data))
        return OK

    def abandon(self) -> None:
        """It was never kept."""


def a_listener(port: int, *services: Service, peers: Peers | None = None, **settings: float | frozenset[str]) -> Scp:
    known = peers or Peers({})
    return Scp("test", ScpSettings(ae_title=TITLE, port=port, **settings), services, known)  # type: ignore[arg-type]  # each setting checks its own


@asynccontextmanager
async def listening(
    port: int, *services: Service, peers: Peers | None = None, **settings: float | frozenset[str]
) -> AsyncIterator[Scp]:
    """A listener with these services, stopped in order at the end."""
    scp = a_listener(port, *services, peers=peers, **settings)
    stop = asyncio.Event()
    running = asyncio.create_task(scp.run(stop))
    try:
        await eventually(lambda: scp.health().ok)
        yield scp
    finally:
        stop.set()
        await asyncio.wait_for(running, 20)


def associate(
    port: int, *contexts: tuple[str, Sequence[str]], calling: str = "SCU", called: str = TITLE
) -> Association:
    """An association request by pynetdicom."""
    ae = AE(calling)
    for abstract_syntax, transfer_syntaxes in contexts:
        ae.add_requested_context(abstract_syntax, list(transfer_syntaxes))
    return ae.associate("127.0.0.1", port, ae_title=called)


async def in_association(
    port: int, act: Callable[[Association], object], *contexts: tuple[str, Sequence[str]], calling: str = "SCU"
) -> object:
    """What `act` makes of an accepted association."""

    def run() -> object:
        link = associate(port, *contexts, calling=calling)
        assert link.is_established
        try:
            return act(link)
        finally:
            link.release()

    return await asyncio.to_thread(run)


def a_request(abstract_syntax: str, *transfer_syntaxes: str, called: str = TITLE, window: int | None = None) -> bytes:
    """An A-ASSOCIATE-RQ; `window` asks for so many operations at once."""
    request = A_ASSOCIATE()
    request.application_context_name = "1.2.840.10008.3.1.1.1"
    request.calling_ae_title, request.called_ae_title = "RAW", called
    context = build_context(abstract_syntax, list(transfer_syntaxes))
    context.context_id = 1
    request.presentation_context_definition_list = [context]
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received = 16384
    implementation.implementation_class_uid = "1.2.3"
    request.user_information = [length, implementation]
    if window is not None:
        asked = AsynchronousOperationsWindowNegotiation()
        asked.maximum_number_operations_invoked, asked.maximum_number_operations_performed = window, window
        request.user_information.append(asked)
    return bytes(A_ASSOCIATE_RQ(request).encode())


def a_store(number: int, data: bytes) -> bytes:
    """A C-STORE of a CT image as PDUs, in context 1; not a data set, but nobody looks into it."""
    primitive = C_STORE()
    primitive.MessageID, primitive.Priority = number, 2
    primitive.AffectedSOPClassUID, primitive.AffectedSOPInstanceUID = CTImageStorage, f"1.2.{number}"
    primitive.DataSet = BytesIO(data)
    message = C_STORE_RQ()
    message.primitive_to_message(primitive)
    return b"".join(P_DATA_TF(piece).encode() for piece in message.encode_msg(1, 16384))


def message(context_id: int, command: bytes, data: bytes = b"") -> bytes:
    """A whole DIMSE message as PDUs."""
    return pdu(context_id, 3, command) + (pdu(context_id, 2, data) if data else b"")


def pdu(context_id: int, control: int, data: bytes) -> bytes:
    length = len(data)
    return b"\x04\x00%b%b%c%c%b" % (
        (length + 6).to_bytes(4, "big"),
        (length + 2).to_bytes(4, "big"),
        context_id,
        control,
        data,
    )


def command_set(*fields: tuple[int, bytes]) -> bytes:
    def element(number: int, value: bytes) -> bytes:
        return b"\0\0" + number.to_bytes(2, "little") + len(value).to_bytes(4, "little") + value

    return b"".join(itertools.starmap(element, fields))


def n_create(uid: bytes = MPPS.encode() + b"\0") -> bytes:
    return command_set((0x0002, uid), (0x0100, b"\x40\x01"), (0x0110, b"\x01\x00"), (0x0800, b"\x01\x00"))


class Raw:
    """A connection on which anything can be sent."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=15)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def read(self) -> tuple[int, bytes]:
        """Type and body of the next PDU; type 0 at the end of the connection."""
        header = self._exactly(6)
        if len(header) < 6:
            return 0, b""
        return header[0], self._exactly(int.from_bytes(header[2:], "big"))

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size and (piece := self._socket.recv(size - len(data))):
            data += piece
        return data
