"""What storage does without being told: closing studies that have gone quiet, describing those that are complete."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Final

from fj_bus import Tx
from fj_runtime import Periodic

from storage_service import handlers
from storage_service.expiring import Deleting, Expiring
from storage_service.gathering import Gathering
from storage_service.handlers import Work
from storage_service.moving import Moving
from storage_service.ports.studies import Hearing, StudyBook
from storage_service.thinning import Thinning

AT_ONCE: Final = 50
"""Studies that are looked at in one transaction."""
ROUNDS: Final = 20
"""Transactions of one sweep at most."""
LOOK_AGAIN_SECONDS: Final = 0.5
DESCRIBE_SECONDS: Final = 1.0
LIST_SECONDS: Final = 5.0
GATHER_SECONDS: Final = 2.0
NOTE_SECONDS: Final = 0.5
PRIORS_SECONDS: Final = 5.0
SCRUB_SECONDS: Final = 5.0
ACCESS_SECONDS: Final = 10.0
REMOVAL_SECONDS: Final = 2.0
DAY_SECONDS: Final = 86_400.0
"""A pack is read at a set pace: a large one takes its time. So does a look at all studies."""


def sweep(
    unit: Callable[[], AbstractAsyncContextManager[Tx]],
    work: Callable[[Tx, datetime], Work],
    book: StudyBook,
    hearing: Hearing,
    seconds: float,
) -> Periodic:
    """A part that closes studies whose quiet time is over. Several processes may do it side by side."""

    async def act() -> None:
        if not await book.any_due(datetime.now(UTC)):
            return
        heard = await hearing.heard_until()
        if heard is None:
            return
        for _ in range(ROUNDS):
            async with unit() as tx:
                if await handlers.close_due(work(tx, heard), AT_ONCE) < AT_ONCE:
                    return

    return Periodic("assembly", seconds, act)


def looking_again(look_next: Callable[[], Awaitable[bool]]) -> Periodic:
    """A part that compares studies once more that were matched while somebody changed what is known of their order."""

    async def act() -> None:
        while await look_next():
            pass

    return Periodic("second looks", LOOK_AGAIN_SECONDS, act, seconds_max=DAY_SECONDS)


def describing(describe_next: Callable[[], Awaitable[bool]]) -> Periodic:
    """A part that makes the metadata of complete series before anybody asks."""

    async def act() -> None:
        while await describe_next():
            pass

    return Periodic("metadata", DESCRIBE_SECONDS, act, seconds_max=240)


def listing(list_next: Callable[[], Awaitable[bool]]) -> Periodic:
    """A part that lists in the directory what has come, a volume at a time."""

    async def act() -> None:
        while await list_next():
            pass

    return Periodic("directory", LIST_SECONDS, act, seconds_max=DAY_SECONDS)


def gathering(gathering: Gathering) -> Periodic:
    """A part that puts together what came of a study piece by piece."""
    return Periodic("gathering", GATHER_SECONDS, gathering.look, seconds_max=DAY_SECONDS)


def noting(read_next: Callable[[], Awaitable[bool]]) -> Periodic:
    """A part that reads rejection notes which have come, and does what they say."""

    async def act() -> None:
        while await read_next():
            pass

    return Periodic("notes", NOTE_SECONDS, act, seconds_max=240)


def fetching(fetch_next: Callable[[], Awaitable[bool]]) -> Periodic:
    """A part that has the priors of exams that are near on the local disk."""

    async def act() -> None:
        while await fetch_next():
            pass

    return Periodic("priors", PRIORS_SECONDS, act, seconds_max=DAY_SECONDS)


def noting_access(keep: Callable[[], Awaitable[None]]) -> Periodic:
    """A part that writes down of which studies somebody retrieved."""
    return Periodic("accesses", ACCESS_SECONDS, keep)


def scrub(verify_next: Callable[[], Awaitable[bool]]) -> Periodic:
    """A part that compares packs with what was stored, those first that were not looked at for longest."""

    async def act() -> None:
        while await verify_next():
            pass

    return Periodic("integrity", SCRUB_SECONDS, act, seconds_max=DAY_SECONDS)


def tiering(moving: Moving, seconds: float) -> Periodic:
    """A part that moves packs to the tiers in which they belong."""
    return Periodic("tiering", seconds, moving.look, seconds_max=DAY_SECONDS)


def retention(expiring: Expiring, thinning: Thinning, deleting: Deleting, seconds: float) -> list[Periodic]:
    """Parts that retire what is due, remove what was retired long enough ago, and delete its objects."""

    async def act() -> None:
        await expiring.report()
        await expiring.remove()
        await thinning.look()
        while await deleting.next():
            pass

    return [
        Periodic("retention", seconds, expiring.look, seconds_max=DAY_SECONDS),
        Periodic("removal", REMOVAL_SECONDS, act, seconds_max=DAY_SECONDS),
    ]
