"""Whose a number is, whatever the order in which merges come, and how often."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from fj_events import Identifier, PatientMerged, PatientPhi, PatientUnmerged, PatientUpdated, Sex, Source
from hypothesis import given
from hypothesis import strategies as st
from patient_service import handlers
from patient_service import merges as merging
from patient_service.domain.errors import NoSuchPatient, NotMerged, SamePatient
from patient_service.domain.merge import Merge, MergeNews, Number, Whose, told, whose
from patient_service.domain.patient import News

from services.patient.tests.unit.fakes import MemoryLinks, MemoryMerges, MemoryPatients, read

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
NUMBERS = st.integers(1, 6)


def key(number: int) -> UUID:
    return UUID(int=number)


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


def news(number: int, *, registered: int | None = None, **said: Any) -> News:
    return News(
        patient_id=key(number),
        site="MAIN",
        source=Source.HL7,
        details=PatientPhi(id=Identifier(value=f"P{number}", issuer="GENERAL"), **said),
        at=at(registered or 0),
        registered_at=None if registered is None else at(registered),
    )


def an_update(number: int, minute: int, **said: Any) -> News:
    """An update (A08) of what was so at this minute."""
    return replace(news(number, **said), at=at(minute))


def a_merge(prior: int, survivor: int, minute: int, *, renames: bool = False) -> MergeNews:
    return MergeNews(prior=news(prior), survivor=news(survivor), at=at(minute), renames=renames)


class House:
    """The handlers with stores in memory, and what another room knows by their facts."""

    def __init__(self) -> None:
        self.patients, self.merges = MemoryPatients(), MemoryMerges()
        self.links = MemoryLinks(self.patients)

    async def merge(self, *given: MergeNews) -> None:
        for each in given:
            await merging.merge(each, self.patients, self.merges)

    async def announce(self, given: News) -> None:
        await handlers.announce(given, self.patients, self.merges, self.links)

    async def unmerge(self, number: int, into: int | None = None) -> None:
        survivor_id = None if into is None else key(into)
        await merging.unmerge(key(number), "a mistake", self.patients, self.merges, survivor_id)

    @property
    def told(self) -> dict[UUID, UUID]:
        return read(self.patients.facts)

    @property
    def whose(self) -> dict[UUID, UUID]:
        """Whose each number is now by what is kept, where that is somebody else."""
        holders = {number: each[-1] for number, each in whose(self.merges.kept.values()).items()}
        return {number: last.survivor for number, last in holders.items() if last.until is None}

    @property
    def until(self) -> dict[UUID, datetime | None]:
        """Until when records under each number are the survivor's, by the last fact of it."""
        moved = [fact for fact in self.patients.facts if isinstance(fact, PatientMerged | PatientUnmerged)]
        return {fact.patient_id: fact.until for fact in moved}

    def numbers(self, number: int) -> list[str]:
        return [each.value for each in self.patients.kept[key(number)].public.other_ids]


@st.composite
def merges(draw: st.DrawFn) -> list[MergeNews]:
    """Merges of few numbers, so that chains and circles are frequent; some are made in the same minute."""
    pairs = draw(st.lists(st.tuples(NUMBERS, NUMBERS, st.integers(0, 5)).filter(lambda p: p[0] != p[1]), max_size=8))
    return [a_merge(*pair) for pair in pairs]


@given(merges(), st.randoms(use_true_random=False))
async def test_merges_in_any_order_and_any_number_of_times_end_alike(given_: list[MergeNews], random: Any) -> None:
    straight, mixed = House(), House()
    await straight.merge(*given_)
    doubled = [*given_, *random.sample(given_, random.randint(0, len(given_)))]
    random.shuffle(doubled)
    await mixed.merge(*doubled)
    assert mixed.told == straight.told
    assert mixed.told == straight.whose
    for number in straight.patients.kept:
        assert sorted(mixed.numbers(number.int)) == sorted(straight.numbers(number.int))


@given(merges(), st.lists(st.one_of(NUMBERS, st.none()), max_size=12), st.randoms(use_true_random=False))
async def test_what_others_were_told_last_is_what_holds_whoever_undoes_what_in_between(
    given_: list[MergeNews], undone: list[int | None], random: Any
) -> None:
    house = House()
    steps: list[MergeNews | int] = [*given_, *(number for number in undone if number is not None)]
    random.shuffle(steps)
    for step in steps:
        if isinstance(step, MergeNews):
            await house.merge(step)
        else:
            try:
                await house.unmerge(step)
            except (NotMerged, NoSuchPatient):
                continue
    told = house.told
    assert told == house.whose
    assert not told.keys() & set(told.values()), "a survivor is the end of its chain"
    before = len(house.patients.facts)
    await house.merge(*(step for step in steps if isinstance(step, MergeNews) and _is_known(step, house)))
    assert len(house.patients.facts) == before, "what is known already is no news"


def _is_known(said: MergeNews, house: House) -> bool:
    again = Merge(patient_id=said.prior.patient_id, into=said.survivor.patient_id, at=said.at)
    known = house.merges.kept[said.prior.patient_id]
    return told(known, again) == known


async def test_a_chain_is_restated_where_its_end_moves() -> None:
    house = House()
    await house.merge(a_merge(1, 2, 0), a_merge(2, 3, 1))
    assert house.told == {key(1): key(3), key(2): key(3)}
    assert house.numbers(3) == ["P1", "P2"]
    assert house.numbers(2) == []


async def test_of_a_circle_the_newest_merge_decides() -> None:
    house = House()
    await house.merge(a_merge(1, 2, 0), a_merge(2, 3, 2), a_merge(3, 1, 1))
    assert house.told == {key(1): key(3), key(2): key(3)}
    inverse = House()
    await inverse.merge(a_merge(2, 1, 5), a_merge(1, 2, 0))
    assert inverse.told == {key(2): key(1)}


async def test_an_old_merge_after_a_newer_one_changes_nothing() -> None:
    house = House()
    await house.merge(a_merge(1, 2, 5), a_merge(1, 3, 4))
    assert house.told == {key(1): key(2)}


async def test_a_patient_is_not_merged_with_itself() -> None:
    house = House()
    with pytest.raises(SamePatient):
        await house.merge(a_merge(1, 1, 0))
    assert house.patients.facts == []


async def test_undoing_a_merge_gives_back_the_number_and_what_came_with_it() -> None:
    house = House()
    await house.merge(a_merge(1, 2, 0), a_merge(2, 3, 1))
    await house.announce(news(3, other_ids=(Identifier(value="P2", issuer="GENERAL"),)))
    await house.unmerge(2)
    assert house.told == {key(1): key(2)}
    assert (house.numbers(2), house.numbers(3)) == (["P1"], [])
    await house.merge(a_merge(2, 3, 1))
    assert house.told == {key(1): key(2)}, "the merge that was undone came again"
    await house.merge(a_merge(2, 3, 2))
    assert house.told == {key(1): key(3), key(2): key(3)}


async def test_only_what_is_merged_can_be_undone() -> None:
    house = House()
    with pytest.raises(NoSuchPatient):
        await house.unmerge(1)
    await house.merge(a_merge(1, 2, 0))
    with pytest.raises(NotMerged):
        await house.unmerge(2)


async def test_a_new_number_takes_along_what_is_known_of_the_person() -> None:
    house = House()
    await house.announce(news(1, registered=0, family_name="Example", phone="1"))
    await house.merge(a_merge(1, 2, 1, renames=True))
    renamed = house.patients.kept[key(2)]
    assert (renamed.provisional, renamed.details.display, renamed.details.phone) == (False, "Example", "1")


@given(st.permutations(range(7)), st.lists(st.integers(0, 6), max_size=4))
async def test_what_was_so_before_a_number_was_changed_is_of_the_person_whenever_it_comes(
    order: list[int], doubled: list[int]
) -> None:
    said: list[News | MergeNews] = [
        news(1, registered=0, family_name="Example", phone="1"),
        an_update(1, 2, family_name="Sample", birth_date=date(1970, 4, 1)),
        an_update(1, 3, phone="3", other_ids=(Identifier(value="N", issuer="NATIONAL"),)),
        a_merge(1, 2, 5, renames=True),
        an_update(2, 6, given_name="Ada", family_name="Sample"),
        an_update(2, 4, sex=Sex.FEMALE, phone="4"),
        a_merge(2, 3, 8, renames=True),
    ]
    house = House()
    for place in (*order, *doubled):
        each = said[place]
        await (house.merge(each) if isinstance(each, MergeNews) else house.announce(each))
    for number in (2, 3):
        patient = house.patients.kept[key(number)]
        assert (patient.provisional, patient.details.display, patient.details.phone) == (False, "Sample, Ada", "4")
        assert (patient.details.birth_date, patient.details.sex) == (date(1970, 4, 1), Sex.FEMALE)
        assert patient.details.other_ids == ()
    assert house.told == {key(1): key(3), key(2): key(3)}


async def test_what_was_so_after_a_number_was_changed_and_what_is_told_after_an_undo_stays_under_the_old_number() -> (
    None
):
    house = House()
    await house.announce(news(1, registered=0, family_name="Example"))
    await house.merge(a_merge(1, 2, 5, renames=True))
    await house.announce(an_update(1, 6, phone="6"))
    await house.unmerge(1)
    await house.merge(a_merge(1, 2, 5, renames=True))
    await house.announce(an_update(1, 4, sex=Sex.FEMALE))
    now = house.patients.kept[key(2)].details
    assert (now.display, now.phone, now.sex) == ("Example", None, None)


async def test_what_comes_late_of_a_number_that_was_changed_is_not_told_of_who_has_it_now() -> None:
    house = House()
    born = {"birth_date": date(1970, 4, 1)}
    await house.announce(news(1, registered=0, family_name="Example", **born))
    await house.merge(a_merge(1, 2, 5, renames=True))
    await house.announce(news(1, registered=9, family_name="Other", birth_date=date(2001, 1, 1)))
    await house.announce(an_update(1, 4, phone="4"))
    await house.announce(an_update(1, 10, phone="10"))
    phones = [house.patients.kept[key(number)].details.phone for number in (1, 2)]
    assert phones == ["10", "4"]
    assert house.patients.kept[key(2)].details.display == "Example"


async def test_an_emergency_number_that_is_given_out_again_keeps_the_old_records_with_the_survivor() -> None:
    house = House()
    await house.announce(news(1, registered=0, family_name="Unknown"))
    await house.announce(news(2, registered=0, family_name="Example", birth_date=date(1970, 4, 1)))
    await house.merge(a_merge(1, 2, 5))
    await house.announce(news(1, registered=9, family_name="Unknown"))
    [given_away] = [fact for fact in house.patients.facts if isinstance(fact, PatientUnmerged)]
    assert (given_away.survivor_id, given_away.until) == (key(2), at(9))
    assert whose(house.merges.kept.values()) == {key(1): (Whose(key(2), at(9)),)}
    assert house.numbers(2) == []
    await house.merge(a_merge(2, 3, 12))
    restated = [f for f in house.patients.facts if isinstance(f, PatientMerged) and f.patient_id == key(1)][-1]
    assert (restated.survivor_id, restated.until) == (key(3), at(9))
    assert house.numbers(3) == ["P2"]


async def test_who_is_merged_into_a_number_after_it_was_given_out_again_is_the_new_patient() -> None:
    given_away = Number(patient_id=key(1), merges=(Merge(patient_id=key(1), into=key(2), at=at(0)),), reused=(at(5),))
    before = Number(patient_id=key(3), merges=(Merge(patient_id=key(3), into=key(1), at=at(-1)),))
    after = Number(patient_id=key(4), merges=(Merge(patient_id=key(4), into=key(1), at=at(6)),))
    assert whose([given_away, before, after]) == {
        key(1): (Whose(key(2), at(5)),),
        key(3): (Whose(key(2)),),
        key(4): (Whose(key(1)),),
    }


@pytest.mark.parametrize(
    ("registered", "said"),
    [
        (3, {"family_name": "Other", "birth_date": date(1999, 1, 1)}),  # made before the merge: late
        (9, {"family_name": "Example", "birth_date": date(1970, 4, 1)}),  # the survivor's person
        (9, {"family_name": "Former", "birth_date": date(1970, 4, 2)}),  # the number's own person
    ],
)
async def test_who_registers_the_same_person_under_a_merged_number_gives_it_to_nobody(
    registered: int, said: dict[str, Any]
) -> None:
    house = House()
    await house.announce(news(1, registered=0, family_name="Former", birth_date=date(1970, 4, 2)))
    await house.announce(news(2, registered=0, family_name="Example", birth_date=date(1970, 4, 1)))
    await house.merge(a_merge(1, 2, 5))
    await house.announce(news(1, registered=registered, **said))
    assert house.told == {key(1): key(2)}


EMERGENCY: list[News | MergeNews] = [
    news(1, registered=0, family_name="Unknown", sex=Sex.FEMALE, phone="1"),
    news(2, registered=1, family_name="Example", birth_date=date(1970, 4, 1), sex=Sex.FEMALE),
    a_merge(1, 2, 5),
    news(1, registered=9, family_name="Unknown", sex=Sex.MALE),
]


@pytest.mark.parametrize("order", list(itertools.permutations(range(len(EMERGENCY)))), ids=str)
async def test_a_number_that_is_given_out_again_is_its_next_holders_whatever_comes_first(order: Sequence[int]) -> None:
    house = House()
    for index in (*order, *order):
        said = EMERGENCY[index]
        await (house.merge(said) if isinstance(said, MergeNews) else house.announce(said))
    assert whose(house.merges.kept.values()) == {key(1): (Whose(key(2), at(9)),)}
    now = house.patients.kept[key(1)].details
    assert (now.family_name, now.sex, now.phone, now.birth_date) == ("Unknown", Sex.MALE, None, None)
    assert house.patients.kept[key(2)].details.sex == Sex.FEMALE
    assert house.numbers(2) == []
    assert house.until == {key(1): at(9)}


async def test_a_late_merge_leaves_a_number_to_who_was_registered_under_it_all_the_time() -> None:
    house = House()
    former = {"family_name": "Former", "birth_date": date(1970, 4, 2)}
    await house.announce(news(1, registered=0, **former))
    await house.announce(news(2, registered=0, family_name="Example", birth_date=date(1970, 4, 1)))
    await house.announce(news(1, registered=9, **former))
    await house.merge(a_merge(1, 2, 5))
    assert whose(house.merges.kept.values()) == {key(1): (Whose(key(2)),)}


async def test_others_learn_the_numbers_of_a_survivor_from_its_state() -> None:
    house = House()
    await house.merge(a_merge(1, 2, 0))
    [updated] = [fact for fact in house.patients.facts if isinstance(fact, PatientUpdated)]
    assert updated.patient_id == key(2)
    assert [number.value for number in updated.patient.other_ids] == ["P1"]
