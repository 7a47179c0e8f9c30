"""Who may see studies of which it is in doubt whose they are (decision 18)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Generic, TypeAlias, TypeVar

from fj_dicom import Peers
from fj_runtime import Problem, is_known
from starlette.requests import Request

from storage_service.ports.studies import StudyBook

ROLE: Final = "unconfirmed-studies"
"""Of a user, where an issuer of tokens is set."""


class Unconfirmed(StrEnum):
    """Who may see unconfirmed studies."""

    EVERYBODY = "everybody"
    """Whoever reads here; they are marked."""
    KNOWN = "known"
    """Named users, those with the role where there are roles, and peers of which `FJ_PEERS` says so."""


Titles: TypeAlias = tuple[str, ...]
"""AE titles that take part."""
Asker = TypeVar("Asker")
Shown = TypeVar("Shown")


@dataclass(frozen=True, slots=True)
class Sight(Generic[Asker, Shown]):
    """What is shown to whoever asks."""

    all_: Shown
    confirmed: Shown
    """Without the unconfirmed studies."""
    sees_all: Callable[[Asker], Awaitable[bool]]

    async def of(self, asker: Asker) -> Shown:
        """What this one may see."""
        return self.all_ if await self.sees_all(asker) else self.confirmed


async def everybody(_: object) -> bool:
    """Unconfirmed studies are marked, and everybody sees them."""
    return True


async def known_readers(request: Request) -> bool:
    """Callers of the HTTP doors who name themselves, and have the role where there are roles."""
    return await is_known(request, ROLE)


def known_peers(peers: Peers) -> Callable[[Titles], Awaitable[bool]]:
    """AE titles that may see them, as `FJ_PEERS` says: of a C-MOVE both, who asks and who receives."""

    async def all_may(ae_titles: Titles) -> bool:
        found = [peers.get(title) for title in ae_titles]
        return all(peer is not None and peer.unconfirmed for peer in found)

    return all_may


def only_seen(books: Sight[Request, StudyBook]) -> Callable[[Request, str], Awaitable[None]]:
    """For addresses of one study: whoever may not see it is told, whatever they ask or want, that there is none."""

    async def check(request: Request, study_instance_uid: str) -> None:
        seen = await books.of(request)
        if seen is books.all_ or await seen.read(study_instance_uid) is not None:
            return
        if await books.all_.read(study_instance_uid) is not None:
            raise Problem(404, "There is no such study")

    return check
