"""Merges as data: what was said last of each number, and whose the numbers are that hang together.

Of a number only the newest statement counts, by the sender's clock; equal times are decided by the survivor's key. So
the same statements in any order, any number of times, give the same end. Merges that form a circle contradict each
other: the newest one decides, and its survivor stands for itself.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from fj_events import PatientPhi, Sex

from patient_service.domain.patient import News


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeNews:
    """Somebody says that two numbers are one patient's, of which `survivor` stays in use."""

    prior: News
    survivor: News
    at: datetime
    """When the merge was made, as the sender says."""
    renames: bool = False
    """The person got a new number (A47): what is known goes with it."""


class Whose(NamedTuple):
    """To whom a number belongs."""

    survivor: UUID
    until: datetime | None = None
    """Only what was recorded before: since then the number is somebody else's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """What was said last of a number."""

    patient_id: UUID
    into: UUID
    at: datetime
    undone: bool = False
    """An operator undid this statement; a newer one counts again."""
    until: datetime | None = None
    stated: Whose | None = None
    """What others were told last."""

    @property
    def order(self) -> tuple[datetime, bool, UUID]:
        """Which of two statements about one number is the newer one."""
        return self.at, self.undone, self.into


def newest(known: Merge | None, said: Merge) -> Merge:
    """What holds of a number after one more statement."""
    if known is None:
        return said
    if said.order <= known.order:
        return known
    until = known.until if known.until is not None and said.at < known.until else None
    return replace(known, into=said.into, at=said.at, undone=said.undone, until=until)


def whose(merges: Iterable[Merge]) -> dict[UUID, Whose]:
    """To whom the numbers belong that do not stand for themselves, resolved to the end of the chain."""
    edges = {merge.patient_id: merge for merge in merges if not merge.undone}
    for root in list(_decided(edges)):
        del edges[root]
    return {number: Whose(_end(number, edges), edges[number].until) for number in edges}


def _decided(edges: Mapping[UUID, Merge]) -> Iterator[UUID]:
    """Of each circle the survivor of its newest merge. Each number leads to one other, so circles share none."""
    seen: set[UUID] = set()
    for start in edges:
        path: list[UUID] = []
        number = start
        while number in edges and number not in seen:
            seen.add(number)
            path.append(number)
            number = edges[number].into
        if number in path:
            circle = path[path.index(number) :]
            yield max((edges[each] for each in circle), key=lambda merge: (merge.at, merge.patient_id)).into


def _end(number: UUID, edges: Mapping[UUID, Merge]) -> UUID:
    merge = edges[number]
    while (onward := edges.get(merge.into)) is not None and (onward.until is None or merge.at < onward.until):
        merge = onward
    return merge.into


def is_somebody_else(news: PatientPhi, prior: PatientPhi, survivor: PatientPhi) -> bool:
    """Whether a merged number is registered for another person than before.

    The survivor's person may be registered under the old number by mistake, and so may the number's own former
    demographics, unless they were those of an emergency, without a birth date: placeholders are used again.
    """
    was_placeholder = prior.birth_date is None
    return _contradicts(news, survivor) and (was_placeholder or _contradicts(news, prior))


def _contradicts(one: PatientPhi, other: PatientPhi) -> bool:
    """The birth date decides; who has the same one differs in sex; without birth dates, sex or family name."""
    dated = one.birth_date is not None and other.birth_date is not None
    if dated and one.birth_date != other.birth_date:
        return True
    known = {Sex.MALE, Sex.FEMALE}
    if one.sex in known and other.sex in known and one.sex != other.sex:
        return True
    if dated or not one.family_name or not other.family_name:
        return False
    return one.family_name.casefold() != other.family_name.casefold()
