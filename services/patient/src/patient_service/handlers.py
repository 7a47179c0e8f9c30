"""When this happens, do that: one function per command or fact."""

from collections.abc import Collection
from datetime import datetime

from fj_events import Identifier, LinkBasis, OrderChanged, OrderPlaced, Source, StudyReceived

from patient_service import learning
from patient_service import merges as merging
from patient_service.domain import facts
from patient_service.domain import link as linking
from patient_service.domain import patient as domain
from patient_service.domain.errors import NoSuchPatient
from patient_service.domain.link import ByHand, Link, LinkNews
from patient_service.domain.patient import News
from patient_service.learning import learn, mention, update
from patient_service.ports import Links, Merges, Patients


async def announce(news: News, patients: Patients, merges: Merges, links: Links) -> None:
    """The registration system speaks of a patient (A01, A04, A08, A28, A31 …): register or update it.

    Who carries a number that another patient carries too is the same person, unless somebody said otherwise.
    """
    await links.lock_numbers(domain.identifiers(domain.registered(news, provisional=False)))
    known = await merges.of(news.patient_id)
    is_merged = bool(known.merges or await merges.into(news.patient_id))
    if is_merged:
        await merges.lock()  # before any patient is, as all do; a merge that comes meanwhile waits for the patient
        known = await merges.of(news.patient_id)
    if known.is_of_former(news.at):
        await merging.keep_announcement(news, None, merges)
        await merging.look_for_reuse(news, patients, merges)
        return
    before = await patients.by_id(news.patient_id)
    patient = await learn(news, domain.announced, patients, provisional=False)
    if await merging.keep_announcement(news, before, merges) and is_merged:
        await merging.look_for_reuse(news, patients, merges)
        patient = await learning.known(news.patient_id, patients)
    for each in linking.sharing(patient, await links.sharers(patient)):
        await state_link(each, patient.site, patients, links)


async def replace_numbers(news: News, given_up: Collection[Identifier], patients: Patients) -> None:
    """A further number of a patient was changed into another one (A48). One that is still named stays."""
    patient = await learn(news, domain.announced, patients, provisional=False)
    await update(patient, domain.without(patient, {*given_up} - {*news.details.other_ids}), patients)


async def link(news: LinkNews, patients: Patients, links: Links) -> None:
    """Two numbers stand for one person (A24), or no longer do (A37); both stay in use."""
    for each in (news.one, news.other):
        await mention(each, patients)
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
        await mention(news, patients)


async def on_study_received(study: StudyReceived, at: datetime, patients: Patients) -> None:
    """Images name their patient: one whom nobody announced is registered as provisional."""
    if study.patient_id is not None and study.patient.id is not None:
        source, patient_id = Source.DIMSE, study.patient_id
        news = News(patient_id=patient_id, site=study.site, source=source, details=study.patient, at=at)
        await mention(news, patients)


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
