"""When this happens, do that: one function per command or fact."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from fj_events import (
    Identifier,
    LinkBasis,
    OrderChanged,
    OrderPlaced,
    PatientFollowed,
    PatientMergeCompleted,
    PatientRegistered,
    PatientUpdated,
    Source,
    StudyReceived,
)

from patient_service.domain import facts, following, reuse
from patient_service.domain import link as linking
from patient_service.domain import merge as merging
from patient_service.domain import patient as domain
from patient_service.domain.errors import GivenAway, NoSuchPatient, NotMerged, SamePatient
from patient_service.domain.facts import Act
from patient_service.domain.link import ByHand, Link, LinkNews
from patient_service.domain.merge import Merge, MergeNews, Whose
from patient_service.domain.patient import News, Patient
from patient_service.ports import Links, Merges, Patients


async def announce(news: News, patients: Patients, merges: Merges, links: Links) -> None:
    """The registration system speaks of a patient (A01, A04, A08, A28, A31 …): register or update it.

    Who carries a number that another patient carries too is the same person, unless somebody said otherwise.
    """
    await links.lock_numbers(domain.identifiers(domain.registered(news, provisional=False)))
    merged, into = await merges.of(news.patient_id), await merges.into(news.patient_id)
    if merged is not None or into:
        await merges.lock()  # before any patient is, as all do; a merge that comes meanwhile waits for the patient
        merged = await merges.of(news.patient_id)
    if merged is not None and merged.until is not None and news.at < merged.until:
        return  # it speaks of who had the number before
    kept = reuse.announcement(news, await patients.by_id(news.patient_id))
    if news.registered_at is None or merged is None:
        patient = await _learn(news, domain.announced, patients, provisional=False)
    else:
        patient = await _register_again(news, patients, merges)
    if kept is not None:
        await merges.keep_announcement(news.patient_id, kept)
    if kept is not None and into:
        await _look_for_reuse(patient, patients, merges)
    for each in linking.sharing(patient, await links.sharers(patient)):
        await state_link(each, patient.site, patients, links)


async def replace_numbers(news: News, given_up: Collection[Identifier], patients: Patients) -> None:
    """A further number of a patient was changed into another one (A51)."""
    patient = await _learn(news, domain.announced, patients, provisional=False)
    await _update(patient, domain.without(patient, given_up), patients)


async def merge(news: MergeNews, patients: Patients, merges: Merges) -> None:
    """Two numbers are one patient's (A40, A34, A36 …), or a patient got a new one (A47).

    Numbers that nobody announced are registered as provisional: the announcement may be on its way.
    """
    number, survivor_id = news.prior.patient_id, news.survivor.patient_id
    if number == survivor_id:
        raise SamePatient
    await merges.lock()
    prior = await _learn(news.prior, domain.mentioned, patients, provisional=True)
    survivor = await _learn(news.survivor, domain.mentioned, patients, provisional=True)
    if news.renames:
        await _update(survivor, domain.renamed(survivor, prior), patients)
    known = await merges.of(number)
    said = merging.newest(known, Merge(patient_id=number, into=survivor_id, at=news.at))
    if said != known:
        if said.until is None:
            announced = await merges.announcements(number)
            said = replace(said, until=reuse.given_away(said.at, survivor.details, announced))
        await merges.save(said)
        act = Act(news.survivor.site, news.survivor.source, "the numbers before it were merged otherwise")
        await _settle(number, act, patients, merges)
        await _begin_anew(said, patients)


async def unmerge(patient_id: UUID, reason: str, patients: Patients, merges: Merges) -> None:
    """A person undoes the last merge of a number. Raises NoSuchPatient, NotMerged, GivenAway."""
    await merges.lock()
    patient = await patients.by_id(patient_id)
    if patient is None:
        raise NoSuchPatient
    known = await merges.of(patient_id)
    if known is None or known.stated is None:
        raise NotMerged
    if known.until is not None:
        raise GivenAway
    await merges.save(replace(known, undone=True))
    await _let_go(known.stated.survivor, patient, patients)
    await _settle(patient_id, Act(patient.site, Source.HTTP, reason), patients, merges)


async def mention(news: News, patients: Patients) -> None:
    """A message names a patient and says no more: one whom no ADT announced is registered as provisional."""
    await _learn(news, domain.mentioned, patients, provisional=True)


async def link(news: LinkNews, patients: Patients, links: Links) -> None:
    """Two numbers stand for one person (A24), or no longer do (A37); both stay in use."""
    for each in (news.one, news.other):
        await _learn(each, domain.mentioned, patients, provisional=True)
    pair = news.one.patient_id, news.other.patient_id
    reason = "the registration system said so"
    said = linking.link(pair, linked=news.linked, at=news.at, basis=LinkBasis.MESSAGE, reason=reason)
    await state_link(said, news.one.site, patients, links)


async def link_by_hand(act: ByHand, patients: Patients, links: Links) -> None:
    """A person links two numbers, or takes them apart: that is the newest word. Raises NoSuchPatient, SamePatient."""
    said = linking.link(act.pair, linked=act.linked, at=act.at, basis=LinkBasis.USER, reason=act.reason)
    known = [await patients.by_id(number) for number in said.pair]
    if known[0] is None or known[1] is None:
        raise NoSuchPatient
    await links.lock()
    before = await links.of(*said.pair)
    await state_link(linking.after(before, said), known[0].site, patients, links)


async def on_order(order: OrderPlaced | OrderChanged, at: datetime, patients: Patients) -> None:
    """An order names its patient: one whom no ADT announced is registered as provisional."""
    if order.patient.id is not None:
        source, patient_id = order.source, order.patient_id
        news = News(patient_id=patient_id, site=order.site, source=source, details=order.patient, at=at)
        await _learn(news, domain.mentioned, patients, provisional=True)


async def on_study_received(study: StudyReceived, at: datetime, patients: Patients) -> None:
    """Images name their patient: one whom nobody announced is registered as provisional."""
    if study.patient_id is not None and study.patient.id is not None:
        source, patient_id = Source.DIMSE, study.patient_id
        news = News(patient_id=patient_id, site=study.site, source=source, details=study.patient, at=at)
        await _learn(news, domain.mentioned, patients, provisional=True)


async def on_followed(
    followed: PatientFollowed, followed_fact: UUID | None, patients: Patients, merges: Merges
) -> None:
    """A room has followed a merge or unmerge: after the last one of them all doors answer alike, and that is said.

    Who followed a fact that another one has replaced since then will follow that one too.
    """
    known = await merges.following(followed.patient_id)
    if known is None or known.fact_id != followed_fact:
        return
    now = following.followed(known, followed.room)
    await merges.save_following(now)
    if now.completed and not known.completed:
        fact = PatientMergeCompleted(
            site=now.site, patient_id=now.patient_id, survivor_id=now.survivor_id, rooms=tuple(sorted(now.rooms))
        )
        patients.emit(fact)


async def _register_again(news: News, patients: Patients, merges: Merges) -> Patient:
    """A number that was merged is registered: it stays merged unless it was given to somebody else since then."""
    known = await merges.of(news.patient_id)
    prior = await _known(news.patient_id, patients)
    if known is None or not await _is_given_away(known, prior, news, patients):
        return await _learn(news, domain.announced, patients, provisional=False)
    await merges.save(replace(known, until=news.registered_at))
    await _let_go(known.into, prior, patients)
    act = Act(news.site, news.source, "the number was given to somebody else")
    await _settle(news.patient_id, act, patients, merges)
    fresh = domain.registered(news, provisional=False)
    return await _update(await _known(news.patient_id, patients), fresh, patients)


async def _look_for_reuse(survivor: Patient, patients: Patients, merges: Merges) -> None:
    """Now that more is known of a survivor: whether its numbers were given to somebody else since they were merged."""
    for each in await merges.into(survivor.patient_id):
        until = reuse.given_away(each.at, survivor.details, await merges.announcements(each.patient_id))
        if until is not None:
            said = replace(each, until=until)
            await merges.save(said)
            act = Act(survivor.site, survivor.source, "the number was given to somebody else")
            await _settle(each.patient_id, act, patients, merges)
            await _begin_anew(said, patients)


async def _begin_anew(said: Merge, patients: Patients) -> None:
    """The record of a number that was given to somebody else says nothing of who had it before."""
    if said.until is not None:
        patient = await _known(said.patient_id, patients)
        await _update(patient, reuse.since(patient, said.until), patients)


async def _is_given_away(known: Merge, prior: Patient, news: News, patients: Patients) -> bool:
    if known.stated is None or known.until is not None or news.registered_at is None or news.registered_at <= known.at:
        return False
    survivor = await _known(known.stated.survivor, patients)
    return merging.is_somebody_else(news.details, prior.details, survivor.details)


async def _settle(number: UUID, act: Act, patients: Patients, merges: Merges) -> None:
    """State, for every number that hangs together with this one, whose it is now, where others know it otherwise."""
    known = await merges.of(number)
    before = [known.stated.survivor] if known and known.stated else []
    chain = await merges.around([number, *before])
    whose = merging.whose(chain)
    moved = [merge for merge in chain if merge.stated != whose.get(merge.patient_id)]
    touched: set[UUID] = set()
    for merge_ in moved:
        now = whose.get(merge_.patient_id)
        patient = await _known(merge_.patient_id, patients)
        survivor = await _known(now.survivor, patients) if now else None
        fact = facts.moved(merge_, now, act, patient, survivor)
        await merges.save(replace(merge_, stated=now))
        await merges.save_following(facts.to_follow(fact, patients.emit(fact)))
        touched.update(each.survivor for each in (merge_.stated, now) if each)
    for survivor_id in sorted(touched):
        await _gather(survivor_id, chain, whose, patients)


async def _gather(survivor_id: UUID, chain: Sequence[Merge], whose: Mapping[UUID, Whose], patients: Patients) -> None:
    """The survivor has the numbers that were merged into it; others learn them from its state."""
    survivor = await _known(survivor_id, patients)
    ours = [merge.patient_id for merge in chain if whose.get(merge.patient_id) == Whose(survivor_id)]
    numbers = [number for each in ours for number in domain.identifiers(await _known(each, patients))]
    await _update(survivor, replace(survivor, merged_ids=tuple(dict.fromkeys(numbers))), patients)


async def state_link(said: Link, site: str, patients: Patients, links: Links) -> None:
    """Keep a statement about two numbers, and state the person of each number that stands for another one now."""
    await links.lock()
    known = await links.of(*said.pair)
    if linking.newest(known, said) == known:
        return
    await links.save(said)
    around = await links.around(said.pair)
    persons = linking.persons(around)
    numbers = {number for each in around for number in each.pair}
    told = await links.persons(numbers)
    for number in sorted(numbers):
        if persons.get(number) != told.get(number):
            await links.save_person(number, persons.get(number))
            patients.emit(facts.stands_for(number, persons.get(number), said, site))


async def _let_go(survivor_id: UUID, patient: Patient, patients: Patients) -> None:
    """The survivor may have been told the number in its own messages too: it is not its own any more."""
    survivor = await _known(survivor_id, patients)
    if patient.details.id is not None:
        await _update(survivor, domain.without(survivor, [patient.details.id]), patients)


async def _learn(
    news: News, told: Callable[[Patient, News], Patient], patients: Patients, *, provisional: bool
) -> Patient:
    fresh = domain.registered(news, provisional=provisional)
    if await patients.add(fresh):
        patients.emit(PatientRegistered(**facts.state_of(fresh)))
        return fresh
    known = await _known(news.patient_id, patients)
    return await _update(known, told(known, news), patients)


async def _update(known: Patient, patient: Patient, patients: Patients) -> Patient:
    if patient != known:
        await patients.save(patient)
        if (patient.public, patient.provisional) != (known.public, known.provisional):
            patients.emit(PatientUpdated(**facts.state_of(patient)))
    return patient


async def _known(patient_id: UUID, patients: Patients) -> Patient:
    known = await patients.by_id(patient_id)
    if known is None:
        raise LookupError(f"patient {patient_id} was there and is gone")
    return known
