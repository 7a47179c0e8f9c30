"""Which numbers stand for one person, whatever the order in which links come, and how often."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from fj_events import (
    Identifier,
    LinkBasis,
    PatientLinkCompleted,
    PatientLinked,
    PatientLinkFollowed,
    PatientPhi,
    PatientUnlinked,
    Source,
)
from hypothesis import given
from hypothesis import strategies as st
from patient_service import handlers
from patient_service import links as linking
from patient_service.domain.errors import NoSuchPatient, SamePatient
from patient_service.domain.following import LINK_ROOMS
from patient_service.domain.link import ByHand, LinkNews
from patient_service.domain.patient import News

from services.patient.tests.unit.fakes import MemoryLinks, MemoryMerges, MemoryPatients, persons

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
NUMBERS = st.integers(1, 5)
NATIONAL = Identifier(value="N1", issuer="NATIONAL")


def key(number: int) -> UUID:
    return UUID(int=number)


def news(
    number: int, *other_ids: Identifier, issuer: str = "GENERAL", born: date | None = None, minute: int = 0
) -> News:
    main = Identifier(value=f"P{number}", issuer=issuer)
    details = PatientPhi(id=main, other_ids=other_ids, birth_date=born)
    at = START + timedelta(minutes=minute)
    return News(patient_id=key(number), site="MAIN", source=Source.HL7, details=details, at=at)


def a_link(one: int, other: int, minute: int, *, linked: bool = True) -> LinkNews:
    return LinkNews(one=news(one), other=news(other), at=START + timedelta(minutes=minute), linked=linked)


class House:
    """The handlers with stores in memory."""

    def __init__(self) -> None:
        self.patients, self.merges = MemoryPatients(), MemoryMerges()
        self.links = MemoryLinks(self.patients)

    async def link(self, *given_: LinkNews) -> None:
        for each in given_:
            await linking.link(each, self.patients, self.links)

    async def announce(self, *given_: News) -> None:
        for each in given_:
            await handlers.announce(each, self.patients, self.merges, self.links)

    async def by_hand(self, one: int, other: int, *, linked: bool) -> None:
        act = ByHand(pair=(key(one), key(other)), linked=linked, reason="seen", at=START)
        await linking.link_by_hand(act, self.patients, self.links)

    @property
    def told(self) -> dict[UUID, UUID]:
        return persons(self.patients.facts)


@st.composite
def statements(draw: st.DrawFn) -> list[LinkNews]:
    parts = st.tuples(NUMBERS, NUMBERS, st.integers(0, 5), st.booleans()).filter(lambda p: p[0] != p[1])
    return [a_link(one, other, at, linked=linked) for one, other, at, linked in draw(st.lists(parts, max_size=8))]


@given(statements(), st.randoms(use_true_random=False))
async def test_links_in_any_order_and_any_number_of_times_end_alike(given_: list[LinkNews], random: Any) -> None:
    straight, mixed = House(), House()
    await straight.link(*given_)
    doubled = [*given_, *random.sample(given_, random.randint(0, len(given_)))]
    random.shuffle(doubled)
    await mixed.link(*doubled)
    assert mixed.told == straight.told


async def test_numbers_that_are_linked_through_a_third_one_are_one_person() -> None:
    house = House()
    await house.link(a_link(1, 2, 0), a_link(2, 3, 1))
    linked = [fact for fact in house.patients.facts if isinstance(fact, PatientLinked)]
    assert [(fact.patient_id, fact.enterprise_id) for fact in linked] == [(key(n), key(1)) for n in (1, 2, 3)]
    assert {fact.basis for fact in linked} == {LinkBasis.MESSAGE}


async def test_who_is_unlinked_stays_apart_even_where_a_third_number_would_join_them() -> None:
    house = House()
    await house.link(a_link(1, 2, 0), a_link(2, 3, 1), a_link(1, 3, 2, linked=False))
    assert house.told == {key(3): key(2)}
    assert [f.patient_id for f in house.patients.facts if isinstance(f, PatientUnlinked)] == [key(1), key(2), key(3)]


async def test_an_old_link_after_a_newer_unlink_changes_nothing() -> None:
    house = House()
    await house.link(a_link(1, 2, 5, linked=False), a_link(1, 2, 4))
    assert house.told == {}


async def test_patients_with_one_further_number_are_one_person() -> None:
    house = House()
    await house.announce(news(1, NATIONAL), news(2, NATIONAL, issuer="SOUTH"))
    assert house.told == {key(2): key(1)}
    assert isinstance(house.patients.facts[-1], PatientLinked)
    assert house.patients.facts[-1].basis is LinkBasis.IDENTIFIER


async def test_a_further_number_that_is_the_main_one_of_another_hospital_links() -> None:
    house = House()
    await house.announce(news(2, issuer="SOUTH"), news(1, Identifier(value="P2", issuer="SOUTH")))
    assert house.told == {key(2): key(1)}


async def test_a_further_number_of_the_own_hospital_links_nobody() -> None:
    house = House()
    await house.announce(news(2), news(1, Identifier(value="P2", issuer="GENERAL")))
    assert house.told == {}


async def test_what_somebody_said_counts_more_than_a_further_number() -> None:
    house = House()
    await house.announce(news(1, NATIONAL), news(2, NATIONAL, issuer="SOUTH"))
    await house.by_hand(1, 2, linked=False)
    await house.announce(news(2, NATIONAL, issuer="SOUTH"))
    assert house.told == {}


async def test_the_word_of_a_user_is_newer_than_what_they_saw_whatever_the_senders_clock_says() -> None:
    house = House()
    await house.link(a_link(1, 2, 60))
    await house.by_hand(2, 1, linked=False)
    assert house.told == {}


async def test_only_two_patients_that_are_known_can_be_linked_by_hand() -> None:
    house = House()
    await house.announce(news(1))
    with pytest.raises(NoSuchPatient):
        await house.by_hand(1, 2, linked=True)
    with pytest.raises(SamePatient):
        await house.by_hand(1, 1, linked=True)


async def test_one_number_and_two_birth_dates_link_nobody() -> None:
    house = House()
    await house.announce(news(1, NATIONAL, born=date(1970, 4, 1)), news(2, NATIONAL, born=date(1971, 4, 1)))
    assert house.told == {}
    await house.announce(news(3, NATIONAL))
    assert len(set(house.told.values())) == 1, "who has no birth date is one of them, and does not join them"
    assert house.told.get(key(1), key(1)) != house.told.get(key(2), key(2))


BORN = [
    news(1, NATIONAL, born=date(1970, 4, 1)),
    news(2, NATIONAL),
    news(2, NATIONAL, born=date(1907, 4, 1), minute=1),
    news(2, NATIONAL, born=date(1970, 4, 1), minute=2),
]


@given(st.permutations([*BORN, *BORN]), st.integers(2, 4))
async def test_a_birth_date_that_is_put_right_links_again_whatever_comes_first(said: list[News], upto: int) -> None:
    house = House()
    known = [each for each in said if each in BORN[:upto]]
    await house.announce(*known)
    assert house.told == ({} if upto == 3 else {key(2): key(1)})


async def test_whoever_says_so_joins_whom_two_birth_dates_keep_apart() -> None:
    house = House()
    await house.announce(news(1, NATIONAL, born=date(1970, 4, 1)), news(2, NATIONAL, born=date(1971, 4, 1)))
    await house.link(a_link(1, 3, 1), a_link(2, 3, 2))
    assert set(house.told.values()) == {key(1)}
    await house.announce(news(2, NATIONAL, born=date(1971, 4, 1), minute=5))
    assert set(house.told.values()) == {key(1)}


@given(statements(), st.randoms(use_true_random=False))
async def test_every_link_that_holds_is_complete_once_however_the_rooms_follow(
    given_: list[LinkNews], random: Any
) -> None:
    house, told = House(), dict[UUID, UUID]()
    await house.link(*given_)
    said = [(n, f) for n, f in enumerate(house.patients.facts, 1) if isinstance(f, PatientLinked | PatientUnlinked)]
    for _, fact in said:
        told[fact.patient_id] = fact.enterprise_id
    followed = [(number, fact, room) for number, fact in said for room in LINK_ROOMS] * 2
    random.shuffle(followed)
    lasting = {fact.patient_id: number for number, fact in said}
    missing = {fact.patient_id: set(LINK_ROOMS) for _, fact in said}
    for number, fact, room in followed:
        word = PatientLinkFollowed(
            site=fact.site,
            follower=f"{room}.{fact.patient_id}",
            room=room,
            patient_id=fact.patient_id,
            enterprise_id=fact.enterprise_id,
        )
        await linking.on_followed(word, UUID(int=number), house.patients, house.links)
        if number == lasting[fact.patient_id]:
            missing[fact.patient_id].discard(room)
        complete = {each.patient_id for each in house.patients.facts if isinstance(each, PatientLinkCompleted)}
        assert complete == {patient_id for patient_id, rooms in missing.items() if not rooms}
    done = [fact for fact in house.patients.facts if isinstance(fact, PatientLinkCompleted)]
    assert {fact.patient_id: fact.enterprise_id for fact in done} == told
    assert len(done) == len(told)
