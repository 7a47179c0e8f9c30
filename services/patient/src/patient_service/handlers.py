"""When this happens, do that: one function per command or fact."""

from collections.abc import Collection
from datetime import datetime

from fj_events import Identifier, OrderChanged, OrderPlaced, Source, StudyReceived

from patient_service import learning
from patient_service import merges as merging
from patient_service.domain import link as linking
from patient_service.domain import patient as domain
from patient_service.domain.patient import News
from patient_service.learning import learn, mention, update
from patient_service.links import state_link
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
        await merging.announce_along(news, patients, merges)
        return
    before = await patients.by_id(news.patient_id)
    patient = await learn(news, domain.announced, patients, provisional=False)
    if await merging.keep_announcement(news, before, merges) and is_merged:
        await merging.look_for_reuse(news, patients, merges)
        patient = await learning.known(news.patient_id, patients)
    if before is not None:
        await merging.announce_along(news, patients, merges)
    for each in linking.sharing(patient, await links.sharers(patient)):
        await state_link(each, patient.site, patients, links)


async def replace_numbers(news: News, given_up: Collection[Identifier], patients: Patients) -> None:
    """A further number of a patient was changed into another one (A48). One that is still named stays."""
    patient = await learn(news, domain.announced, patients, provisional=False)
    await update(patient, domain.without(patient, {*given_up} - {*news.details.other_ids}), patients)


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
