"""Links as data: which numbers stand for one person, while each stays in use.

Of two numbers only the newest statement counts; what anybody said counts more than a number that both carry. Who was
unlinked stays apart, even where a third number would join them: newer links come first, and one that would join such a
pair is left out. So the same statements in any order give the same persons.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from fj_events import Identifier, LinkBasis

from patient_service.domain.errors import SamePatient
from patient_service.domain.patient import News, Patient

SHARED_MOST: Final = 10
"""A number that more patients carry is a placeholder and links nobody."""
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkNews:
    """A registration system says that two numbers are one person's, or are not."""

    one: News
    other: News
    at: datetime
    linked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ByHand:
    """A person's act on two numbers."""

    pair: tuple[UUID, UUID]
    linked: bool
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What was said last of two numbers, the smaller key first."""

    one: UUID
    other: UUID
    linked: bool
    at: datetime | None
    """When it was said; None where only a further number tells it."""
    basis: LinkBasis
    reason: str

    @property
    def pair(self) -> tuple[UUID, UUID]:
        return self.one, self.other

    @property
    def order(self) -> tuple[datetime, bool]:
        """Which of two statements about one pair is the newer one; at one instant, that they are apart."""
        return self.at or _NEVER, not self.linked


def link(numbers: tuple[UUID, UUID], *, linked: bool, at: datetime | None, basis: LinkBasis, reason: str) -> Link:
    """A statement about two numbers. Raises SamePatient."""
    one, other = sorted(numbers)
    if one == other:
        raise SamePatient
    return Link(one=one, other=other, linked=linked, at=at, basis=basis, reason=reason)


def newest(known: Link | None, said: Link) -> Link:
    """What holds of two numbers after one more statement. What only numbers tell is told anew by what is known now."""
    if known is not None and known.basis is said.basis is LinkBasis.IDENTIFIER:
        return said
    return said if known is None or said.order > known.order else known


def after(known: Link | None, said: Link) -> Link:
    """A person's statement, made in sight of what is known: no sender's clock that is ahead of ours outranks it."""
    if known is None or known.at is None or said.at is None or said.at > known.at:
        return said
    return replace(said, at=known.at + timedelta(microseconds=1))


def persons(links: Sequence[Link]) -> dict[UUID, UUID]:
    """The enterprise identity of each number that shares it: the smallest key of those that stand for one person."""
    apart = [link for link in links if not link.linked]
    groups: dict[UUID, frozenset[UUID]] = {}
    for each in sorted(links, key=lambda link: (link.order, link.pair), reverse=True):
        if not each.linked:
            continue
        joined = groups.get(each.one, frozenset({each.one})) | groups.get(each.other, frozenset({each.other}))
        # Whom only their records keep apart may be joined by whoever says so.
        kept_apart = (link for link in apart if link.at is not None or each.at is None)
        if not any(link.one in joined and link.other in joined for link in kept_apart):
            groups.update(dict.fromkeys(joined, joined))
    return {number: min(group) for number, group in groups.items()}


def shared_number(one: Patient, other: Patient) -> Identifier | None:
    """A number that both carry and that tells of one person.

    A further number of the issuer of the main one does not: it may be an account, or of a former system. Two who have
    one main number had it one after the other.
    """
    if one.details.id == other.details.id:
        return None
    common = _telling(one) & _telling(other)
    return min(common, key=str) if common else None


def sharing(patient: Patient, others: Iterable[Patient]) -> list[Link]:
    """What follows from further numbers: one person, unless the birth dates contradict. Then a person is asked."""
    found = []
    for other in others:
        number = shared_number(patient, other)
        if number is not None:
            linked = not is_contradicted(patient, other)
            reason = f"both carry one number of {number.issuer}" + ("" if linked else ", with two birth dates")
            pair = patient.patient_id, other.patient_id
            found.append(link(pair, linked=linked, at=None, basis=LinkBasis.IDENTIFIER, reason=reason))
    return found


def is_contradicted(one: Patient, other: Patient) -> bool:
    """Whether a number that both carry has to be wrong of one of them: nobody is born twice."""
    born, other_born = one.details.birth_date, other.details.birth_date
    return born is not None and other_born is not None and born != other_born


def _telling(patient: Patient) -> set[Identifier]:
    main = patient.details.id
    if main is None:
        return set()
    return {main} | {number for number in patient.details.other_ids if number.issuer != main.issuer}
