"""A number that is given out again and again: each holder's records are theirs, whatever comes first and how often."""

from collections.abc import Sequence
from datetime import date
from itertools import permutations

import pytest
from fj_events import Identifier, PatientMerged, PatientRegistered, PatientUnmerged, Sex
from hypothesis import given
from hypothesis import strategies as st
from patient_service.domain.errors import NotMerged
from patient_service.domain.merge import MergeNews, former
from patient_service.domain.patient import News

from services.patient.tests.unit.fakes import keep, survivor_of
from services.patient.tests.unit.test_merges import House, a_merge, at, key, news

X, ANN, BOB, CLEO, ELSE = 1, 2, 3, 4, 5
Step = News | MergeNews
STORY: tuple[Step, ...] = (
    news(X, registered=0, family_name="Unknown", sex=Sex.FEMALE, phone="1"),
    news(ANN, registered=1, family_name="Ann", birth_date=date(1970, 4, 1), sex=Sex.FEMALE),
    a_merge(X, ANN, 5),
    news(X, registered=10, family_name="Unknown", sex=Sex.MALE, phone="2"),
    news(BOB, registered=11, family_name="Bob", birth_date=date(1980, 5, 2), sex=Sex.MALE),
    a_merge(X, BOB, 15),
    news(X, registered=20, family_name="Unknown", sex=Sex.FEMALE, phone="3"),
)
"""An emergency number has three holders; the first two turn out to be somebody who is known by another number."""
CLEO_TOO: tuple[Step, ...] = (
    news(CLEO, registered=21, family_name="Cleo", birth_date=date(1990, 6, 3), sex=Sex.FEMALE),
    a_merge(X, CLEO, 25),
)


@st.composite
def told(draw: st.DrawFn, story: Sequence[Step]) -> list[Step]:
    """The messages of a story in any order, some of them twice."""
    again = draw(st.lists(st.sampled_from(story), max_size=4))
    return draw(st.permutations([*story, *again]))


async def heard(messages: Sequence[Step]) -> House:
    house = House()
    await hear(house, messages)
    return house


async def hear(house: House, messages: Sequence[Step]) -> None:
    for said in messages:
        await (house.merge(said) if isinstance(said, MergeNews) else house.announce(said))


def owners(house: House, *minutes: int) -> list[int | str]:
    """Whose the records under X of these minutes are, by the last fact; `former` is who has no other number."""
    rows = keep(house.patients.facts)
    found = [survivor_of(rows, key(X), at(minute)) for minute in minutes]
    formers = {former(key(X), at(10)): "first", former(key(X), at(20)): "second"}
    return [formers.get(owner, owner.int) for owner in found]


@given(told(STORY))
async def test_each_holder_keeps_the_records_of_their_time_whatever_comes_first(messages: list[Step]) -> None:
    house = await heard(messages)
    assert owners(house, 0, 9, 10, 19, 20, 99) == [ANN, ANN, BOB, BOB, X, X]
    now = house.patients.kept[key(X)].details
    assert (now.sex, now.phone, now.birth_date) == (Sex.FEMALE, "3", None), "nothing of the former holders is left"
    assert [house.numbers(number) for number in (ANN, BOB)] == [[], []]


@given(told((*STORY, *CLEO_TOO)))
async def test_the_present_holder_may_be_merged_too(messages: list[Step]) -> None:
    house = await heard(messages)
    assert owners(house, 9, 19, 20, 99) == [ANN, BOB, CLEO, CLEO]
    assert (house.numbers(ANN), house.numbers(CLEO)) == ([], ["P1"])


@given(told((*STORY, *CLEO_TOO)), st.permutations([ANN, BOB, CLEO]), st.integers(1, 3))
async def test_any_of_the_merges_can_be_undone_and_leaves_the_others(
    messages: list[Step], order: list[int], count: int
) -> None:
    house = await heard(messages)
    for survivor in order[:count]:
        await house.unmerge(X, survivor)
    await hear(house, messages)
    alone: dict[int, int | str] = {ANN: "first", BOB: "second", CLEO: X}
    assert owners(house, 9, 19, 99) == [alone[each] if each in order[:count] else each for each in (ANN, BOB, CLEO)]
    with pytest.raises(NotMerged):
        await house.unmerge(X, order[0])


@given(told((*STORY, a_merge(ANN, ELSE, 30), a_merge(BOB, ELSE, 31))))
async def test_survivors_of_several_times_may_themselves_be_one_person(messages: list[Step]) -> None:
    house = await heard(messages)
    assert owners(house, 9, 19, 20) == [ELSE, ELSE, X]


@given(told((*STORY, a_merge(6, X, 3), a_merge(7, X, 13), a_merge(8, X, 23))))
async def test_who_was_merged_into_the_number_goes_with_its_holder_of_that_time(messages: list[Step]) -> None:
    house = await heard(messages)
    rows = keep(house.patients.facts)
    assert [survivor_of(rows, key(number), at(99)).int for number in (6, 7, 8)] == [ANN, BOB, X]


@pytest.mark.parametrize("order", list(permutations((2, 3, 5))), ids=str)
async def test_the_last_fact_of_a_number_tells_of_all_its_holders(order: Sequence[int]) -> None:
    steps = [STORY[0], STORY[1], STORY[4], *(STORY[index] for index in order), STORY[6]]
    house = await heard(steps)
    last = [fact for fact in house.patients.facts if isinstance(fact, PatientMerged | PatientUnmerged)][-1]
    assert (last.patient_id, last.survivor_id, last.until) == (key(X), key(BOB), at(20))
    named = {each.survivor_id: each.survivor.family_name for each in last.earlier}
    assert named[key(ANN)] == "Ann"


async def test_who_had_a_number_before_and_has_no_other_one_is_a_patient_of_their_own() -> None:
    house = await heard(STORY)
    await house.unmerge(X, ANN)
    first = former(key(X), at(10))
    [known] = [f for f in house.patients.facts if isinstance(f, PatientRegistered) and f.patient_id == first]
    assert (known.patient.id, known.patient.sex) == (Identifier(value="P1", issuer="GENERAL"), Sex.FEMALE)
    await house.announce(news(X, registered=21, family_name="Unknown", sex=Sex.FEMALE))
    assert house.links.kept == {}, "who had one number after the other is nobody's double"


async def test_an_undone_merge_that_was_sent_anew_counts_again() -> None:
    house = await heard(STORY)
    await house.unmerge(X, ANN)
    await house.merge(a_merge(X, ANN, 6))
    assert owners(house, 9, 19, 20) == [ANN, BOB, X]
