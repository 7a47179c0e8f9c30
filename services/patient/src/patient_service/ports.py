"""What the handlers need."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from fj_events import Fact, Identifier, PatientPhi

from patient_service.domain.crossing import SamePerson
from patient_service.domain.following import Following, LinkFollowing, VisitFollowing
from patient_service.domain.link import Link
from patient_service.domain.merge import Number, Whose
from patient_service.domain.patient import Patient
from patient_service.domain.renumbering import Renumbering
from patient_service.domain.reuse import Announcement
from patient_service.domain.stay import Event, Node, Stay
from patient_service.domain.suspicion import Suspicion
from patient_service.domain.visit import Move, Visit


class Patients(Protocol):
    """The patients, inside one transaction. What is read is locked until its end."""

    async def by_id(self, patient_id: UUID) -> Patient | None:
        """The patient with this key."""

    async def add(self, patient: Patient) -> bool:
        """Keep a new patient. False, and nothing kept, when it is there already, be it since this instant."""

    async def save(self, patient: Patient) -> None:
        """Keep a changed patient."""

    def emit(self, fact: Fact) -> UUID:
        """Say that something happened; it commits with the rest. The id of the fact."""


class Merges(Protocol):
    """What was said of numbers that are no longer used, inside one transaction."""

    async def lock(self) -> None:
        """Take turns with all who change merges, until the end: a chain is looked at as a whole."""

    async def of(self, patient_id: UUID) -> Number:
        """What was said of this number."""

    async def around(self, numbers: Collection[UUID]) -> list[Number]:
        """All merged numbers that hang together with these, in either direction."""

    async def save(self, number: Number) -> None:
        """Keep what holds of a number now."""

    async def into(self, survivor_id: UUID) -> list[Number]:
        """The numbers of which anybody ever said that they are this one's."""

    async def keep_announcement(self, patient_id: UUID, announcement: Announcement) -> None:
        """Keep what the registration system said of a number."""

    async def announcements(self, patient_id: UUID) -> list[Announcement]:
        """All that it said of it."""

    async def following(self, patient_id: UUID) -> Following | None:
        """How far the rooms are with the last fact about this number. Locked until the end."""

    async def save_following(self, following: Following) -> None:
        """Keep how far they are."""


class Visits(Protocol):
    """What was said of visits and accounts that went to another patient or got another number, in one transaction."""

    async def lock(self, visit_id: UUID) -> None:
        """Take turns with all who say something of this one, until the end."""

    async def by_id(self, visit_id: UUID) -> Visit | None:
        """The one with this key, where it was ever moved."""

    async def moves(self, visit_id: UUID) -> list[Move]:
        """All that was said of it."""

    async def add(self, visit: Visit, move: Move) -> bool:
        """Keep a statement. False, and nothing kept, when it was said before."""

    async def save(self, visit_id: UUID, move: Move) -> None:
        """Keep whether a statement is undone."""

    async def renumberings(self, visit_id: UUID) -> list[Renumbering]:
        """All that was said of which number this one got."""

    async def add_renumbering(self, visit: Visit, renumbering: Renumbering) -> bool:
        """Keep a statement. False, and nothing kept, when it was said before."""

    async def save_renumbering(self, visit_id: UUID, renumbering: Renumbering) -> None:
        """Keep whether a statement is undone."""

    async def following(self, visit_id: UUID) -> VisitFollowing | None:
        """How far the rooms are with the last fact about this one."""

    async def save_following(self, following: VisitFollowing) -> None:
        """Keep how far they are. Who has followed orders of earlier facts stays known."""


class Stays(Protocol):
    """What ADT said of visits: how far they are and where the patient is, inside one transaction."""

    async def keep(self, visit: Visit) -> None:
        """Know that there is such a number."""

    async def add(self, visit: Visit, event: Event) -> None:
        """Keep an event; said again, as it was said last."""

    async def events(self, visit_ids: Sequence[UUID]) -> list[Event]:
        """All that was said of these, in the order of arrival."""

    async def around(self, visit_id: UUID) -> Mapping[UUID, Visit]:
        """This visit, where anybody spoke of it, and those that ever had its number or got it, and so on."""

    async def told(self, visit_ids: Sequence[UUID]) -> Mapping[Node, Stay]:
        """What the others were told last."""

    async def keep_told(self, visit_id: UUID, stay: Stay) -> None:
        """Keep what they are told now of all patients of `stay` who have this number."""


class ToldVisit(NamedTuple):
    """A visit or account, and all that was said of it, the newest first."""

    visit: Visit
    moves: Sequence[Move]
    renumberings: Sequence[Renumbering]


class VisitBook(Protocol):
    """Looking visits and accounts up of which something was said, outside of any transaction."""

    async def find(self, *, number: str, issuer: str | None, limit: int) -> list[ToldVisit]:
        """Those with this number, or that had it."""


class Links(Protocol):
    """Which numbers stand for one person, inside one transaction."""

    async def lock(self) -> None:
        """Take turns with all who change links, until the end."""

    async def lock_numbers(self, numbers: Collection[Identifier]) -> None:
        """Take turns with all who say something of a patient with one of these numbers."""

    async def of(self, one: UUID, other: UUID) -> Link | None:
        """What was said last of these two, the smaller key first."""

    async def around(self, numbers: Collection[UUID]) -> list[Link]:
        """All that was said of the numbers that links join to these."""

    async def save(self, link: Link) -> None:
        """Keep what holds of two numbers now."""

    async def persons(self, numbers: Collection[UUID]) -> Mapping[UUID, UUID]:
        """The enterprise identities that others were told."""

    async def save_person(self, patient_id: UUID, enterprise_id: UUID | None) -> None:
        """Keep what others are told now; None: the number stands for itself."""

    async def sharers(self, patient: Patient) -> Sequence[Patient]:
        """Others that carry one of this patient's numbers, but for a number that very many carry."""

    async def following(self, patient_id: UUID) -> LinkFollowing | None:
        """How far the rooms are with the last link or unlink of this number. Locked until the end."""

    async def save_following(self, following: LinkFollowing) -> None:
        """Keep how far they are."""


class Linked(NamedTuple):
    """What was said of a number and another one, and who that is."""

    link: Link
    patient: Patient


class Person(NamedTuple):
    """An enterprise identity: the numbers that have it, and what was said of one of them."""

    enterprise_id: UUID
    numbers: tuple[UUID, ...]
    links: Sequence[Linked]


class LinkBook(Protocol):
    """Looking links up, outside of any transaction."""

    async def person(self, patient_id: UUID) -> Person:
        """The person that a number stands for."""


class Entry(NamedTuple):
    """A patient as found, and to whom the number belongs where it was merged, the first holder first."""

    patient: Patient
    holders: tuple[Whose, ...]


class PatientBook(Protocol):
    """Looking patients up, outside of any transaction."""

    async def read(self, patient_id: UUID) -> Entry | None:
        """One patient."""

    async def find(self, *, number: str | None, issuer: str | None, family_name: str | None, limit: int) -> list[Entry]:
        """Patients that have this number (of this issuer), be it by a merge, or whose family name begins like this."""


class CrossReferences(Protocol):
    """Who is one person, outside of any transaction."""

    async def domains(self, issuers: Collection[str]) -> frozenset[str]:
        """Those of these issuers of whom a number is known."""

    async def person(self, number: Identifier) -> SamePerson | None:
        """The one person whom a number stands for, by merges and links; None where it is nobody's or several'."""


class Candidates(Protocol):
    """Records that may be of a person whom somebody describes, outside of any transaction."""

    async def near(self, asked: PatientPhi) -> list[Patient]:
        """Those that share a key or a number with it, but for one that very many share; none that was merged away."""


class Record(NamedTuple):
    """A patient as the matcher sees it."""

    patient: Patient
    merged: bool
    """The number was merged away: it stands for nobody."""
    suspected: bool
    """A person is asked about it and somebody else."""


class Duplicates(Protocol):
    """Records that may be of one person, inside one transaction."""

    async def record(self, patient_id: UUID) -> Record | None:
        """The record, not locked."""

    async def near(self, patient: Patient) -> list[Record]:
        """Others that share a key or a number with it, but for one that very many share; none that was merged away."""

    async def suspected_with(self, patient_id: UUID) -> list[Record]:
        """With whom a person is asked about it."""

    async def of(self, pair: tuple[UUID, UUID]) -> Suspicion | None:
        """Where a pair stands. Others who look at the same pair wait until the end."""

    async def save(self, suspicion: Suspicion) -> None:
        """Keep where it stands."""


class Suspect(NamedTuple):
    """A pair that a person has to look at, side by side."""

    suspicion: Suspicion
    since: datetime
    one: Patient
    other: Patient


class DuplicateBook(Protocol):
    """Looking pairs up, outside of any transaction."""

    async def open(self, limit: int) -> list[Suspect]:
        """All that wait for a person, the likeliest first."""
