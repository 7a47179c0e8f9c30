"""Associations as no modality should have them: PDUs lost, doubled, swapped, cut, altered. None leaves anything."""

import asyncio
import os
import random
import socket
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Final

import httpx
import pytest
from fj_testing import S3, Log, ServiceProcess, Services, eventually
from pydicom import Dataset
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.pdu import A_ASSOCIATE_RQ, A_RELEASE_RQ, P_DATA_TF
from pynetdicom.pdu_primitives import A_ASSOCIATE, ImplementationClassUIDNotification, MaximumLengthNotification
from pynetdicom.presentation import build_context

from services.ingest.tests.builders import CT, EXPLICIT, Modality, an_instance, encoded
from services.ingest.tests.doors import World, store_of

COUNT: Final = int(os.environ.get("FJ_TEST_ASSOCIATIONS", "300"))
"""10,000 where somebody has the time."""
TOGETHER: Final = 8
GOOD_EVERY: Final = 50
ANSWER_S: Final = 60.0
"""A peer that says that it has said all is answered, or cut off, long before this."""
SPARE: Final = 12
"""Threads and descriptors that the process may open and keep while it works: worker threads, pools of connections."""
pytestmark = [pytest.mark.servers, pytest.mark.failure, pytest.mark.timeout(180 + COUNT / 5)]


def a_conversation(dataset: Dataset) -> list[bytes]:
    """The PDUs of an association that stores one instance: request, command, data set in pieces, release."""
    request = A_ASSOCIATE()
    request.application_context_name = "1.2.840.10008.3.1.1.1"
    request.calling_ae_title, request.called_ae_title = "FUZZ", "FJ_STORE"
    context = build_context(CT, EXPLICIT)
    context.context_id = 1
    request.presentation_context_definition_list = [context]
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received, implementation.implementation_class_uid = 16384, "1.2.3"
    request.user_information = [length, implementation]
    primitive = C_STORE()
    primitive.MessageID, primitive.Priority = 1, 2
    primitive.AffectedSOPClassUID, primitive.AffectedSOPInstanceUID = CT, dataset.SOPInstanceUID
    primitive.DataSet = BytesIO(encoded(dataset))
    message = C_STORE_RQ()
    message.primitive_to_message(primitive)
    pieces = [P_DATA_TF(piece).encode() for piece in message.encode_msg(1, 1024)]
    return [bytes(pdu) for pdu in (A_ASSOCIATE_RQ(request).encode(), *pieces, A_RELEASE_RQ().encode())]


def mangled(conversation: Sequence[bytes], seed: int) -> list[bytes]:
    """The conversation after a few accidents."""
    dice = random.Random(seed)  # noqa: S311 - the same bytes in each run
    pdus = list(conversation)
    for _ in range(dice.randint(1, 3)):
        if pdus:
            dice.choice((_lost, _doubled, _moved, _cut, _other_length, _other_bytes, _other_bytes))(pdus, dice)
    return pdus


def _lost(pdus: list[bytes], dice: random.Random) -> None:
    pdus.pop(dice.randrange(len(pdus)))


def _doubled(pdus: list[bytes], dice: random.Random) -> None:
    pdus.insert(dice.randrange(len(pdus) + 1), dice.choice(pdus))


def _moved(pdus: list[bytes], dice: random.Random) -> None:
    pdu = pdus.pop(dice.randrange(len(pdus)))
    pdus.insert(dice.randrange(len(pdus) + 1), pdu)


def _cut(pdus: list[bytes], dice: random.Random) -> None:
    """The end of one and all that comes after it."""
    at = dice.randrange(len(pdus))
    pdus[at:] = [pdus[at][: dice.randrange(len(pdus[at]) + 1)]]


def _other_length(pdus: list[bytes], dice: random.Random) -> None:
    """Of the PDU, or of the first item in it."""
    at, place = dice.randrange(len(pdus)), dice.choice((2, 6))
    length = dice.choice((0, 1, 2, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, dice.getrandbits(32)))
    pdus[at] = pdus[at][:place] + length.to_bytes(4, "big") + pdus[at][place + 4 :]


def _other_bytes(pdus: list[bytes], dice: random.Random) -> None:
    """Mostly in the first ones, where the structure is."""
    at = dice.randrange(len(pdus))
    pdu = bytearray(pdus[at])
    for _ in range(dice.randint(1, 4)):
        if pdu:
            pdu[dice.randrange(min(len(pdu), dice.choice((12, 100, len(pdu)))))] = dice.randrange(256)
    pdus[at] = bytes(pdu)


def talk(port: int, pdus: Sequence[bytes], seed: int) -> None:
    """Say all of it; then leave at once, or hear what is said until the other side closes. Raises TimeoutError."""
    with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S) as peer:
        try:
            for pdu in pdus:
                peer.sendall(pdu)
            if seed % 2:
                peer.shutdown(socket.SHUT_WR)
                while peer.recv(65536):
                    pass
        except ConnectionError:
            pass  # it has had enough


def held(process: ServiceProcess, what: str) -> int:
    """How many threads (`task`) or descriptors (`fd`) it has."""
    return len(list(Path(f"/proc/{process.running.pid}/{what}").iterdir()))


def surprises(process: ServiceProcess) -> list[str]:
    """What was not foreseen, in its log."""
    lines = process.log(COUNT * 20).splitlines()
    return [line for line in lines if '"level": "error"' in line and '"logger": "fj_dicom.' in line]


async def ends(process: ServiceProcess) -> dict[str, float]:
    """How associations have ended."""
    async with httpx.AsyncClient(base_url=process.http, timeout=30) as http:
        lines = (await http.get("/metrics")).text.splitlines()
    found = [line for line in lines if line.startswith("fj_dicom_associations_total{")]
    return {line.split('outcome="')[1].split('"')[0]: float(line.split()[-1]) for line in found}


async def test_broken_associations_leave_no_thread_no_descriptor_and_nobody_waiting(
    services: Services, log: Log, s3: S3, free_port: Callable[[], int], tmp_path: Path
) -> None:
    port = free_port()
    process = services.start("ingest", INGEST_DIMSE_PORT=port, INGEST_JOURNAL=str(tmp_path), INGEST_SEGMENT_BYTES=2**20)
    world = World(process, log, store_of(s3))
    conversation = a_conversation(an_instance())
    good = [an_instance() for _ in range(COUNT // GOOD_EVERY + 1)]
    assert await Modality(port).store(good[0]) == [0x0000]
    await world.journal_is_empty()
    before, pid = {what: held(process, what) for what in ("task", "fd")}, process.running.pid
    turns = asyncio.Semaphore(TOGETHER)

    async def one(seed: int) -> None:
        async with turns:
            await asyncio.to_thread(talk, port, mangled(conversation, seed), seed)
            if seed % GOOD_EVERY == 0:
                assert await Modality(port).store(good[seed // GOOD_EVERY]) == [0x0000]

    async with asyncio.TaskGroup() as group:
        for seed in range(1, COUNT + 1):
            group.create_task(one(seed))

    async def all_ended() -> bool:
        return sum((await ends(process)).values()) >= COUNT + len(good)

    await eventually(all_ended, within=60, what="every association has ended")
    await world.journal_is_empty(within=60 + COUNT / 10)

    def nothing_is_left() -> bool:
        return all(held(process, what) <= before[what] + SPARE for what in before)

    await eventually(nothing_is_left, within=30, what="threads and descriptors are as many as before")
    assert process.running.pid == pid
    told = [record.body["study_instance_uid"] for record in await log.read("instance-events")]
    assert all(told.count(sent.StudyInstanceUID) == 1 for sent in good)
    assert surprises(process) == []
