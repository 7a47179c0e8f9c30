"""A sender of objects that exist nowhere as a whole, and a look at the memory of who takes them."""

import asyncio
import secrets
import socket
from collections.abc import Awaitable, Callable
from io import BytesIO
from pathlib import Path
from struct import pack, pack_into
from typing import Final, TypeVar

from pydicom import Dataset
from pydicom.uid import JPEG2000Lossless
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu import A_ASSOCIATE_RQ, P_DATA_TF
from pynetdicom.pdu_primitives import A_ASSOCIATE, ImplementationClassUIDNotification, MaximumLengthNotification
from pynetdicom.presentation import build_context
from xxhash import xxh3_128

from services.ingest.tests.builders import CT, an_instance, encoded

T = TypeVar("T")
SYNTAX: Final = str(JPEG2000Lossless)
PDV: Final = 131066
_SEVERAL: Final = 8
"""Fragments that are sent in one go."""
_TIMEOUT_S: Final = 300
"""Of one answer: before it so much is synced as was sent since the last sync."""
_BEFORE: Final = 12
"""Bytes of a PDU before its piece of the data set."""
_FRAGMENT: Final = pack("<HHI", 0xFFFE, 0xE000, PDV - 8) + secrets.token_bytes(PDV - 8)
_END: Final = pack("<HHI", 0xFFFE, 0xE0DD, 0)
_PIXELS: Final = b"\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff" + pack("<HHI", 0xFFFE, 0xE000, 0)
"""Pixel Data, encapsulated, with an empty offset table (PS3.5 A.4)."""


def a_pdu(data: bytes, *, last: bool = False) -> bytes:
    """P-DATA-TF with one fragment of a data set."""
    return pack(">BxI", 4, len(data) + 6) + pack(">IBB", len(data) + 2, 1, 2 if last else 0) + data


def an_association() -> bytes:
    request = A_ASSOCIATE()
    request.application_context_name = "1.2.840.10008.3.1.1.1"
    request.calling_ae_title, request.called_ae_title = "BIG", "FJ_STORE"
    context = build_context(CT, SYNTAX)
    context.context_id = 1
    request.presentation_context_definition_list = [context]
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received, implementation.implementation_class_uid = 16384, "1.2.3"
    request.user_information = [length, implementation]
    return bytes(A_ASSOCIATE_RQ(request).encode())


def a_command(dataset: Dataset) -> bytes:
    primitive = C_STORE()
    primitive.MessageID, primitive.Priority = 1, 2
    primitive.AffectedSOPClassUID, primitive.AffectedSOPInstanceUID = CT, dataset.SOPInstanceUID
    primitive.DataSet = BytesIO(b"\0\0")
    message = C_STORE_RQ()
    message.primitive_to_message(primitive)
    return bytes(P_DATA_TF(next(message.encode_msg(1, 16384))).encode())


class BigSender:
    """Streams a multi-frame object."""

    def __init__(self, port: int, dataset: Dataset) -> None:
        self.checksum = xxh3_128()
        """Of the data set, as far as it is sent."""
        self._number = 0
        self._several = bytearray(a_pdu(_FRAGMENT) * _SEVERAL)
        size = _BEFORE + PDV
        self._fragments = [memoryview(self._several)[n * size + _BEFORE : (n + 1) * size] for n in range(_SEVERAL)]
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT_S)
        self._socket.sendall(an_association())
        assert self._read()[0] == 2
        self._socket.sendall(a_command(dataset) + self._piece(encoded(dataset, SYNTAX) + _PIXELS))

    def send(self, size: int) -> None:
        """Fragments of so many bytes together, no two alike."""
        for _ in range(size // (_SEVERAL * PDV)):
            for fragment in self._fragments:
                pack_into("<Q", fragment, 8, self._number)
                self._number += 1
                self.checksum.update(fragment)
            self._socket.sendall(self._several)

    def finish(self) -> int:
        """The status of the answer."""
        self._socket.sendall(self._piece(_END, last=True))
        kind, body = self._read()
        assert kind == 4
        self._socket.close()
        status = body.index(pack("<HHI", 0, 0x0900, 2))
        return int.from_bytes(body[status + 8 : status + 10], "little")

    def vanish(self) -> None:
        """In the middle of the object."""
        self._socket.close()

    def _piece(self, data: bytes, *, last: bool = False) -> bytes:
        self.checksum.update(data)
        return a_pdu(data, last=last)

    def _read(self) -> tuple[int, bytes]:
        header = self._exactly(6)
        return header[0], self._exactly(int.from_bytes(header[2:], "big"))

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._socket.recv(size - len(data))
            assert piece, "the connection was closed"
            data += piece
        return data


def anonymous_memory(pid: int) -> int:
    """What is not a file, bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) * 1024


async def watched(pid: int, work: Callable[[], Awaitable[T]]) -> tuple[T, int]:
    """What `work` returns, and how much more memory than before it the process had meanwhile."""
    before = peak = anonymous_memory(pid)
    running = asyncio.ensure_future(work())
    while not running.done():
        peak = max(peak, anonymous_memory(pid))
        await asyncio.sleep(0.02)
    return await running, peak - before


def headless(study: str) -> Dataset:
    dataset = an_instance(study, NumberOfFrames="20000")
    del dataset.PixelData
    return dataset
