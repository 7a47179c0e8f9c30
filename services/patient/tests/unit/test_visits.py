"""Whose a visit is follows from what was said of it, not from when that came."""

import asyncio
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from fj_events import Identifier, PatientPhi, PatientVisitMoved, PatientVisitRenumbered, Source, VisitKind
from hypothesis import given
from hypothesis import strategies as st
from patient_service import renumbering, visits
from patient_service.domain import renumbering as numbers
from patient_service.domain.errors import NoSuchStatement, NoSuchVisit, NotTheLast, SamePatient
from patient_service.domain.following import VisitFollowing
from patient_service.domain.patient import News
from patient_service.domain.renumbering import Renumbering, RenumberNews
from patient_service.domain.visit import Move, Visit, VisitNews, last

from services.patient.tests.unit.fakes import MemoryPatients

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
VISIT = Visit(visit_id=UUID(int=99), kind=VisitKind.VISIT, number=Identifier(value="V1", issuer="GENERAL"))


class MemoryVisits:
    def __init__(self) -> None:
        self.visits: dict[UUID, Visit] = {}
        self.said: dict[tuple[UUID, UUID, datetime], Move] = {}
        self.numbers: dict[tuple[Identifier, datetime], Renumbering] = {}
        self.followed: dict[UUID, VisitFollowing] = {}

    async def lock(self, visit_id: UUID) -> None:
        """One test is one transaction."""

    async def by_id(self, visit_id: UUID) -> Visit | None:
        return self.visits.get(visit_id)

    async def moves(self, _visit_id: UUID) -> list[Move]:
        return list(self.said.values())

    async def add(self, visit: Visit, move: Move) -> bool:
        self.visits[visit.visit_id] = visit
        fresh = _key(move) not in self.said
        self.said.setdefault(_key(move), move)
        return fresh

    async def save(self, _visit_id: UUID, move: Move) -> None:
        self.said[_key(move)] = move

    async def renumberings(self, _visit_id: UUID) -> list[Renumbering]:
        return list(self.numbers.values())

    async def add_renumbering(self, visit: Visit, renumbering: Renumbering) -> bool:
        self.visits[visit.visit_id] = visit
        key = renumbering.number, renumbering.at
        fresh = key not in self.numbers
        self.numbers.setdefault(key, renumbering)
        return fresh

    async def save_renumbering(self, _visit_id: UUID, renumbering: Renumbering) -> None:
        self.numbers[renumbering.number, renumbering.at] = renumbering

    async def following(self, visit_id: UUID) -> VisitFollowing | None:
        return self.followed.get(visit_id)

    async def save_following(self, following: VisitFollowing) -> None:
        self.followed[following.visit_id] = following


def _key(move: Move) -> tuple[UUID, UUID, datetime]:
    return move.prior_id, move.holder_id, move.at


def moved(prior: int, holder: int, minute: int) -> VisitNews:
    at = NOON + timedelta(minutes=minute)
    return VisitNews(visit=VISIT, prior=named(prior, at), holder=named(holder, at), at=at)


def named(number: int, at: datetime) -> News:
    details = PatientPhi(id=Identifier(value=str(number), issuer="GENERAL"))
    return News(patient_id=UUID(int=number), site="MAIN", source=Source.HL7, details=details, at=at)


async def undo(move: Move | None, patients: MemoryPatients, store: MemoryVisits) -> None:
    assert move is not None
    await visits.undo(VISIT.visit_id, move.statement_id, "by mistake", patients, store)


def told(everything: Collection[VisitNews], undos: int = 0) -> list[PatientVisitMoved]:
    """What others hear."""

    async def run() -> list[PatientVisitMoved]:
        patients, store = MemoryPatients(), MemoryVisits()
        for news in everything:
            await visits.move(news, patients, store)
        for _ in range(undos):
            await undo(last(await store.moves(VISIT.visit_id)), patients, store)
        return [fact for fact in patients.facts if isinstance(fact, PatientVisitMoved)]

    return asyncio.run(run())


MOVES = [moved(1, 2, 1), moved(2, 3, 2), moved(3, 1, 3), moved(1, 4, 3)]


@given(st.permutations([*MOVES, *MOVES[:2]]), st.integers(0, 3))
def test_moves_in_any_order_and_twice_end_alike(order: list[VisitNews], undos: int) -> None:
    expected = told(MOVES, undos)[-1]
    assert told(order, undos)[-1].model_copy(update={"site": expected.site}) == expected


def test_an_undo_gives_back_to_the_move_before_and_then_to_whom_it_names() -> None:
    holders = [fact.patient_id for fact in told(MOVES[:2], undos=2)]
    assert holders == [UUID(int=2), UUID(int=3), UUID(int=2), None]


def test_a_move_that_was_undone_is_not_made_again_by_the_same_message() -> None:
    async def run() -> None:
        patients, store = MemoryPatients(), MemoryVisits()
        await visits.move(MOVES[0], patients, store)
        await undo(last(await store.moves(VISIT.visit_id)), patients, store)
        facts = len(patients.facts)
        await visits.move(MOVES[0], patients, store)
        assert len(patients.facts) == facts

    asyncio.run(run())


def test_an_undo_that_comes_twice_leaves_the_move_before_and_that_one_is_undone_by_its_name() -> None:
    async def run() -> None:
        patients, store = MemoryPatients(), MemoryVisits()
        for news in MOVES[:2]:
            await visits.move(news, patients, store)
        first, second = sorted(await store.moves(VISIT.visit_id), key=lambda move: move.at)
        with pytest.raises(NotTheLast) as refused:
            await undo(first, patients, store)
        assert refused.value.last_id == second.statement_id
        for _ in range(2):
            await undo(second, patients, store)
        assert last(await store.moves(VISIT.visit_id)) == first
        await undo(first, patients, store)
        facts = len(patients.facts)
        for move in (second, first):
            await undo(move, patients, store)
        assert len(patients.facts) == facts

    asyncio.run(run())


def renumbered(number: str, minute: int) -> RenumberNews:
    who = UUID(int=1)
    said = Renumbering(
        patient_id=who,
        patient_ids=frozenset([who]),
        number=Identifier(value=number, issuer="GENERAL"),
        at=NOON + timedelta(minutes=minute),
    )
    return RenumberNews(visit=VISIT, site="MAIN", renumbering=said)


RENUMBERINGS = [renumbered("V2", 1), renumbered("V3", 2), renumbered("V4", 2)]


@given(st.permutations([*RENUMBERINGS, *RENUMBERINGS[:2]]), st.integers(0, 3))
def test_numbers_in_any_order_and_twice_end_alike(order: list[RenumberNews], undos: int) -> None:
    async def run() -> list[str | None]:
        patients, store = MemoryPatients(), MemoryVisits()
        await visits.move(moved(2, 1, 0), patients, store)  # so that the patient is known
        for news in order:
            await renumbering.renumber(news, patients, store)
        for _ in range(undos):
            newest = numbers.last(await store.renumberings(VISIT.visit_id))
            assert newest is not None
            for _ in range(2):
                await renumbering.undo(VISIT.visit_id, newest.statement_id, "by mistake", patients, store)
        told = [fact.visit.present_number for fact in patients.facts if isinstance(fact, PatientVisitRenumbered)]
        return [None if number is None else number.value for number in told]

    facts = asyncio.run(run())
    assert (facts[-1], len(facts)) == (["V4", "V3", "V2", None][undos], 3 + undos)


def test_what_is_no_move_is_refused() -> None:
    async def run() -> None:
        with pytest.raises(SamePatient):
            await visits.move(replace(MOVES[0], prior=MOVES[0].holder), MemoryPatients(), MemoryVisits())
        patients, store = MemoryPatients(), MemoryVisits()
        for undo in (visits.undo, renumbering.undo):
            with pytest.raises(NoSuchVisit):
                await undo(VISIT.visit_id, UUID(int=1), "by mistake", patients, store)
        await visits.move(MOVES[0], patients, store)
        for undo in (visits.undo, renumbering.undo):
            with pytest.raises(NoSuchStatement):
                await undo(VISIT.visit_id, UUID(int=1), "by mistake", patients, store)

    asyncio.run(run())
