"""Who is shown what, put together: at the HTTP doors, at the DIMSE door, and where studies are sent on."""

from dataclasses import dataclass
from typing import Self

from fj_dicom import Peers
from starlette.requests import Request

from storage_service.adapters.accesses import Accesses, WatchedIndex
from storage_service.adapters.confirmed import ConfirmedIndex, ConfirmedSearches
from storage_service.adapters.index import PostgresIndex
from storage_service.entrypoints.sight import Sight, Titles, Unconfirmed, everybody, known_peers, known_readers
from storage_service.ports.index import Index, Searches, Selections
from storage_service.ports.studies import StudyBook


@dataclass(frozen=True, slots=True)
class Sights:
    """Of the whole service."""

    readers: Sight[Request, Index]
    searchers: Sight[Request, Searches]
    callers: Sight[Titles, Selections]
    querying: Sight[Titles, Searches]
    receivers: Sight[Titles, Index]
    """To whom studies are sent on: that is no access."""

    @classmethod
    def of(
        cls,
        rule: Unconfirmed,
        peers: Peers,
        indices: tuple[PostgresIndex, ConfirmedIndex],
        found: Searches,
        notes: Accesses,
    ) -> Self:
        """As the operator has set it. `indices`: with and without what is in doubt; `notes`: what is retrieved."""
        index, confirmed = indices
        watched = WatchedIndex(index, index, notes)
        without = WatchedIndex(confirmed, confirmed, notes)
        open_ = rule is Unconfirmed.EVERYBODY
        by_user, by_title = (everybody, everybody) if open_ else (known_readers, known_peers(peers))
        return cls(
            readers=Sight(watched, without, by_user),
            searchers=Sight(found, ConfirmedSearches(found), by_user),
            callers=Sight(watched, without, by_title),
            querying=Sight(found, ConfirmedSearches(found), by_title),
            receivers=Sight(index, confirmed, by_title),
        )


def lookers(rule: Unconfirmed, books: tuple[StudyBook, StudyBook]) -> Sight[Request, StudyBook]:
    """Who is shown what at `/api/storage`. `books`: with and without what is in doubt."""
    return Sight(*books, everybody if rule is Unconfirmed.EVERYBODY else known_readers)
