"""Objects larger than memory and than a segment: received in bounded memory, whole or not at all."""

import asyncio
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from struct import pack

import pytest
from fj_dicom import Store
from fj_testing import PATIENCE, ServiceProcess, Services, eventually
from pydicom import Dataset
from pydicom.uid import JPEG2000Lossless
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu import A_ASSOCIATE_RQ, P_DATA_TF
from pynetdicom.pdu_primitives import A_ASSOCIATE, ImplementationClassUIDNotification, MaximumLengthNotification
from pynetdicom.presentation import build_context

from services.ingest.tests.builders import CT, Modality, an_instance, encoded

pytestmark = [pytest.mark.servers, pytest.mark.failure, pytest.mark.timeout(180)]
MIB = 1024 * 1024
SIZE = int(os.environ.get("FJ_TEST_OBJECT_BYTES", str(2048 * MIB)))
"""10 GB and more where somebody wants to see it."""
BOUND = 32 * MIB
"""Memory of one association."""
SYNTAX = str(JPEG2000Lossless)
PDV = 131066
FRAGMENT = pack("<HHI", 0xFFFE, 0xE000, PDV - 8) + bytes(PDV - 8)
END = pack("<HHI", 0xFFFE, 0xE0DD, 0)
DONE = 0x0000


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
    """Streams a multi-frame object that exists nowhere as a whole."""

    def __init__(self, port: int, dataset: Dataset) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=50)
        self._socket.sendall(an_association())
        assert self._read()[0] == 2
        pixels = b"\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff" + pack("<HHI", 0xFFFE, 0xE000, 0)
        self._socket.sendall(a_command(dataset) + a_pdu(encoded(dataset, SYNTAX) + pixels))

    def send(self, size: int) -> None:
        """Fragments of so many bytes together."""
        several = a_pdu(FRAGMENT) * 8
        for _ in range(size // (8 * PDV)):
            self._socket.sendall(several)

    def finish(self) -> int:
        """The status of the answer."""
        self._socket.sendall(a_pdu(END, last=True))
        kind, body = self._read()
        assert kind == 4
        self._socket.close()
        status = body.index(pack("<HHI", 0, 0x0900, 2))
        return int.from_bytes(body[status + 8 : status + 10], "little")

    def vanish(self) -> None:
        """In the middle of the object."""
        self._socket.close()

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


def anonymous_memory(process: ServiceProcess) -> int:
    """What is not a file, bytes."""
    status = Path(f"/proc/{process.running.pid}/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) * 1024


@pytest.fixture
def journal() -> Iterator[Path]:
    """In memory: what is measured is not the disk."""
    folder = Path(tempfile.mkdtemp(prefix="fj-large-", dir="/dev/shm"))
    yield folder
    shutil.rmtree(folder)


def sealed_sizes(journal: Path) -> list[int]:
    """Of its sealed segments, the smallest first."""
    return sorted(path.stat().st_size for path in journal.glob("*.tar"))


async def watched(process: ServiceProcess, work: Callable[[], int]) -> tuple[int, int]:
    """What `work` returns, and the most memory that the process had meanwhile."""
    running = asyncio.create_task(asyncio.to_thread(work))
    peak = 0
    while not running.done():
        peak = max(peak, anonymous_memory(process))
        await asyncio.sleep(0.02)
    return await running, peak


def headless(study: str) -> Dataset:
    dataset = an_instance(study, NumberOfFrames="20000")
    del dataset.PixelData
    return dataset


async def test_an_object_larger_than_memory_is_received_in_bounded_memory(
    services: Services, free_port: Callable[[], int], journal: Path
) -> None:
    """And larger than a segment; one that breaks off in the middle leaves nothing, and costs nobody else anything."""
    if shutil.disk_usage(journal).free < 2 * SIZE:
        pytest.skip(f"needs {2 * SIZE // MIB} MiB in /dev/shm")
    port = free_port()
    process = services.start(
        "ingest", "receiver", INGEST_DIMSE_PORT=port, INGEST_JOURNAL=str(journal), INGEST_SEGMENT_BYTES=64 * MIB
    )
    assert await Modality(port).store(an_instance("1.2.11.1")) == [DONE]
    before = anonymous_memory(process)

    def send() -> int:
        whole, broken = BigSender(port, headless("1.2.11.2")), BigSender(port, headless("1.2.11.3"))
        broken.send(SIZE // 8)
        whole.send(SIZE // 2)
        broken.vanish()
        whole.send(SIZE - SIZE // 2)
        return whole.finish()

    status, peak = await watched(process, send)
    assert status == DONE
    assert peak - before < 2 * BOUND
    await eventually(lambda: [path.suffix for path in journal.iterdir()].count(".open") == 0, within=15)
    sizes = sealed_sizes(journal)
    assert len(sizes) == 2, "the small one and the large one; nothing of that which broke off"
    assert sizes[1] > SIZE - 8 * PDV


async def test_a_large_object_that_fills_the_disk_is_refused_and_its_room_is_free_again(
    services: Services, free_port: Callable[[], int], journal: Path
) -> None:
    limit = 256 * MIB
    free_min = shutil.disk_usage(journal).free - limit
    port = free_port()
    process = services.start(
        "ingest",
        "receiver",
        INGEST_DIMSE_PORT=port,
        INGEST_JOURNAL=str(journal),
        INGEST_JOURNAL_FREE_MIN=free_min,
        INGEST_SEGMENT_BYTES=MIB,
    )

    def send() -> int:
        sender = BigSender(port, headless("1.2.11.4"))
        deadline = time.monotonic() + 20 * PATIENCE
        sender.send(2 * limit)
        assert time.monotonic() < deadline
        return sender.finish()

    assert await asyncio.to_thread(send) == Store.OUT_OF_RESOURCES
    assert await Modality(port).store(an_instance("1.2.11.5")) == [DONE]
    assert process.running.alive
