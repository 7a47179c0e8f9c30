"""Merges as data: what was said of each number, and whose the numbers are that hang together.

A number may be given out again and again: each of its holders had it for a time, and is a node of its own. Of each time
only the newest statement counts, by the sender's clock; equal times are decided by the survivor's key. So the same
statements in any order, any number of times, give the same end. Merges that form a circle contradict each other: the
newest one decides, and its survivor stands for itself.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple, TypeAlias
from uuid import UUID, uuid5

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
    """Only what was recorded before, and after the holder before: since then the number is somebody else's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """One statement about a number."""

    patient_id: UUID
    into: UUID
    at: datetime
    undone: bool = False
    """An operator undid this statement; a newer one counts again."""
    renames: bool = False
    """The person got a new number (A47)."""

    @property
    def order(self) -> tuple[datetime, bool, UUID]:
        """Which of two statements about one number is the newer one."""
        return self.at, self.undone, self.into


class Tenure(NamedTuple):
    """A time in which a number was one patient's."""

    until: datetime | None
    """When it was given to somebody else."""
    merge: Merge | None
    """What counts of all that was said of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number, with all that was said of it."""

    patient_id: UUID
    merges: tuple[Merge, ...] = ()
    reused: tuple[datetime, ...] = ()
    """When it was given to somebody else, the first time first."""
    stated: tuple[Whose, ...] = ()
    """What others were told last, the first holder first."""

    @property
    def since(self) -> datetime | None:
        """When its present holder was given it, where others had it before."""
        return self.reused[-1] if self.reused else None

    def is_of_former(self, at: datetime) -> bool:
        """Whether what was said at this instant is of who had the number before."""
        return self.since is not None and at < self.since

    def tenures(self) -> list[Tenure]:
        """The times of its holders, the first one first."""
        ends = [*self.reused, None]
        return [Tenure(end, max(self._between(start, end), key=_order, default=None)) for start, end in _pairs(ends)]

    def place(self, at: datetime) -> int:
        """Which of its holders had it at this instant."""
        return sum(at >= reused for reused in self.reused)

    def renamings(self, at: datetime) -> list["Merge"]:
        """Which new numbers the person who had the number at this instant got then, or later."""
        _, end = list(_pairs([*self.reused, None]))[self.place(at)]
        return [merge for merge in self._between(at, end) if merge.renames and not merge.undone]

    def _between(self, start: datetime | None, end: datetime | None) -> Iterator[Merge]:
        for merge in self.merges:
            if (start is None or merge.at >= start) and (end is None or merge.at < end):
                yield merge


Node: TypeAlias = tuple[UUID, int]
"""A number and the place of one of its holders."""


def told(known: Number, said: Merge) -> Number:
    """The number after one more statement: one that is known, undone or not, is no news but that it renames."""
    same = [each for each in known.merges if (each.at, each.into) == (said.at, said.into)]
    if not same:
        return replace(known, merges=(*known.merges, said))
    merges = (replace(each, renames=each.renames or said.renames) if each in same else each for each in known.merges)
    return replace(known, merges=tuple(merges))


def undone(known: Number, merge: Merge) -> Number:
    """The number after an operator undid a statement."""
    merges = (replace(each, undone=True) if each == merge else each for each in known.merges)
    return replace(known, merges=tuple(merges))


def undoable(known: Number, survivor_id: UUID | None) -> tuple[Merge, Whose] | None:
    """The last statement that counts of a number, or the last that made it this survivor's; and whose it is by that."""
    stated = {each.until: each for each in known.stated}
    for until, merge in reversed(known.tenures()):
        holder = stated.get(until)
        if merge is None or merge.undone or holder is None:
            continue
        if until is not None and holder.survivor == former(known.patient_id, until):
            continue
        if survivor_id is None or survivor_id in (holder.survivor, merge.into):
            return merge, holder
    return None


def former(patient_id: UUID, until: datetime) -> UUID:
    """The id of who had a number until it was given to somebody else, where that is nobody who has another number."""
    return uuid5(patient_id, until.astimezone(UTC).isoformat())


def tenure_of(former_id: UUID, numbers: Iterable[Number]) -> tuple[Number, datetime | None, datetime]:
    """Of which number this is a former holder, and from when until when."""
    for number in numbers:
        for start, until in zip([None, *number.reused], number.reused, strict=False):
            if former(number.patient_id, until) == former_id:
                return number, start, until
    raise LookupError(f"{former_id} had none of these numbers")


def whose(numbers: Iterable[Number]) -> dict[UUID, tuple[Whose, ...]]:
    """To whom the numbers belong that do not stand for themselves, resolved to the end of the chain."""
    known = {number.patient_id: number for number in numbers}
    edges = {
        (number.patient_id, place): tenure.merge
        for number in known.values()
        for place, tenure in enumerate(number.tenures())
        if tenure.merge is not None and not tenure.merge.undone
    }
    for root in list(_decided(edges, known)):
        del edges[root]
    found = {number.patient_id: tuple(_holders(number, edges, known)) for number in known.values()}
    return {patient_id: holders for patient_id, holders in found.items() if holders}


def _holders(number: Number, edges: Mapping[Node, Merge], known: Mapping[UUID, Number]) -> Iterator[Whose]:
    for place, until in enumerate([*number.reused, None]):
        node = number.patient_id, place
        if until is not None or node in edges:
            yield Whose(_end(node, edges, known), until)


def _decided(edges: Mapping[Node, Merge], known: Mapping[UUID, Number]) -> Iterator[Node]:
    """Of each circle the survivor of its newest merge. Each node leads to one other, so circles share none."""
    seen: set[Node] = set()
    for start in edges:
        path: list[Node] = []
        node = start
        while node in edges and node not in seen:
            seen.add(node)
            path.append(node)
            node = _onward(edges[node], known)
        if node in path:
            circle = path[path.index(node) :]
            newest = max((edges[each] for each in circle), key=lambda merge: (merge.at, merge.patient_id))
            yield _onward(newest, known)


def _onward(merge: Merge, known: Mapping[UUID, Number]) -> Node:
    """Who had the survivor's number when the merge was made."""
    into = known.get(merge.into)
    return merge.into, into.place(merge.at) if into else 0


def _end(node: Node, edges: Mapping[Node, Merge], known: Mapping[UUID, Number]) -> UUID:
    while node in edges:
        node = _onward(edges[node], known)
    number, place = node
    reused = known[number].reused if number in known else ()
    return former(number, reused[place]) if place < len(reused) else number


def _order(merge: Merge) -> tuple[datetime, bool, UUID]:
    return merge.order


def _pairs(ends: list[datetime | None]) -> Iterator[tuple[datetime | None, datetime | None]]:
    return zip([None, *ends], ends, strict=False)


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
