"""More associations than there are places: who idles makes way, who works does not."""

import asyncio

from fj_dicom import UNCOMPRESSED, VERIFICATION
from fj_dicom.places import Places
from fj_testing import eventually
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from libs.dicom.tests.scu import Kept, Raw, a_request, a_store, associate, listening

ECHO = (VERIFICATION, UNCOMPRESSED)
A_ASSOCIATE_AC, P_DATA_TF = 2, 4


class Held:
    """A holder that notes that it was told to go."""

    def __init__(self, idle_since: float | None) -> None:
        self.idle_since = idle_since
        self.told = False

    def make_way(self) -> None:
        self.told = True


def test_the_longest_idle_one_makes_way_and_nobody_before_its_time() -> None:
    places = Places(3, 10.0)
    at_work, longest, lately = held = [Held(None), Held(100.0), Held(105.0)]
    assert all(places.take(one, 105.0) for one in held)
    assert not places.take(Held(None), 109.0)
    assert places.take(Held(None), 110.0)
    assert [one.told for one in (at_work, longest, lately)] == [False, True, False]
    assert not places.take(Held(None), 114.0)


def test_a_place_is_free_again_when_its_holder_has_left() -> None:
    places = Places(1, 10.0)
    first = Held(None)
    assert places.take(first, 0.0)
    assert not places.take(Held(None), 0.0)
    places.leave(first)
    assert places.take(Held(None), 0.0)
    places.leave(first)
    assert not places.take(Held(None), 0.0)


async def test_an_idle_association_is_aborted_for_a_new_one(port: int) -> None:
    async with listening(port, max_associations=1, makes_way_after_s=0.0):
        idle = await asyncio.to_thread(associate, port, ECHO)

        async def has_made_way() -> bool:
            link = await asyncio.to_thread(associate, port, ECHO)
            if not link.is_established:
                return False
            assert (await asyncio.to_thread(link.send_c_echo)).Status == 0x0000
            await asyncio.to_thread(link.release)
            return True

        await eventually(has_made_way)
        await eventually(lambda: idle.is_aborted, what="the idle one was told")


async def test_an_association_inside_a_message_keeps_its_place(port: int) -> None:
    kept = Kept()
    async with listening(port, kept.service(), max_associations=1, makes_way_after_s=0.0):
        with await asyncio.to_thread(Raw, port) as busy:
            busy.send(a_request(CTImageStorage, ExplicitVRLittleEndian))
            assert (await asyncio.to_thread(busy.read))[0] == A_ASSOCIATE_AC
            message = a_store(1, bytes(50_000))
            busy.send(message[:30_000])
            assert await asyncio.to_thread(kept.begun.wait, 10)
            assert (await asyncio.to_thread(associate, port, ECHO)).is_rejected
            busy.send(message[30_000:])
            assert (await asyncio.to_thread(busy.read))[0] == P_DATA_TF
    assert kept.data == [bytes(50_000)]


async def test_nobody_makes_way_for_a_request_that_is_refused_anyway(port: int) -> None:
    async with listening(port, max_associations=1, makes_way_after_s=0.0):
        idle = await asyncio.to_thread(associate, port, ECHO)
        assert (await asyncio.to_thread(idle.send_c_echo)).Status == 0x0000
        assert (await asyncio.to_thread(associate, port, ECHO, called="SOMEBODY")).is_rejected
        assert (await asyncio.to_thread(idle.send_c_echo)).Status == 0x0000
        await asyncio.to_thread(idle.release)
