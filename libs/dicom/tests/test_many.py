"""Many associations, good, idle and broken: none leaves a thread or a descriptor, none is in the way of the others."""

import asyncio
import os
import random
import threading
from pathlib import Path

import pytest
from fj_dicom import UNCOMPRESSED, VERIFICATION
from fj_testing import eventually

from libs.dicom.tests.scu import Raw, a_request, in_association, listening

ECHO = (VERIFICATION, UNCOMPRESSED)
COUNT = int(os.environ.get("FJ_TEST_ASSOCIATIONS", "300"))
"""10,000 where somebody has the time."""
pytestmark = pytest.mark.timeout(180 + COUNT / 5)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def serving() -> int:
    """Threads of associations: they have the listener's name."""
    return sum(thread.name == "test" for thread in threading.enumerate())


def mangled(seed: int) -> bytes:
    """An association request, then a PDU, with some bytes that are others."""
    dice = random.Random(seed)  # noqa: S311 - the same bytes in each run
    data = bytearray(a_request(VERIFICATION, *UNCOMPRESSED))
    if dice.random() < 0.5:
        data += b"\x04\x00" + dice.randbytes(dice.randrange(2, 60))
    for _ in range(dice.randrange(4)):
        data[dice.randrange(len(data))] = dice.randrange(256)
    return bytes(data[: dice.choice((len(data), dice.randrange(1, len(data))))])


def send_and_leave(port: int, data: bytes) -> None:
    with Raw(port) as peer:
        peer.send(data)


async def test_broken_associations_leave_no_thread_and_no_descriptor(port: int) -> None:
    async with listening(port, max_associations=50, network_timeout_s=2.0, request_timeout_s=2.0):
        await in_association(port, lambda link: link.send_c_echo(), ECHO)
        files = descriptors()
        for seed in range(COUNT):
            await asyncio.to_thread(send_and_leave, port, mangled(seed))

        def all_gone() -> bool:
            return serving() == 0 and descriptors() <= files

        await eventually(all_gone, within=5)
        status = await in_association(port, lambda link: link.send_c_echo().Status, ECHO)
        assert status == 0x0000


async def test_idle_associations_are_in_nobodys_way(port: int) -> None:
    async with listening(port, max_associations=250):
        idle: list[Raw] = []
        try:
            for _ in range(200):
                idle.append(await asyncio.to_thread(Raw, port))
                await asyncio.to_thread(idle[-1].send, a_request(VERIFICATION, *UNCOMPRESSED))
                assert (await asyncio.to_thread(idle[-1].read))[0] == 2
            status = await in_association(port, lambda link: link.send_c_echo().Status, ECHO)
            assert status == 0x0000
        finally:
            for peer in idle:
                peer.__exit__()
