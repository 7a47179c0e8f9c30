"""When this happens, do that: one function per command or fact."""

from collections.abc import Callable
from uuid import UUID

from fj_events import OrderChanged, OrderPlaced, PatientRegistered, PatientUpdated, Source, StudyReceived

from patient_service.domain import patient as domain
from patient_service.domain.patient import News, Patient
from patient_service.ports import Patients


async def announce(news: News, patients: Patients) -> Patient:
    """The registration system speaks of a patient (A01, A04, A05, A08, A28, A31): register or update it."""
    return await _learn(news, domain.announced, patients, provisional=False)


async def on_order(order: OrderPlaced | OrderChanged, patients: Patients) -> None:
    """An order names its patient: one whom no ADT announced is registered as provisional."""
    if order.patient.id is not None:
        news = News(patient_id=order.patient_id, site=order.site, source=order.source, details=order.patient)
        await _learn(news, domain.mentioned, patients, provisional=True)


async def on_study_received(study: StudyReceived, patients: Patients) -> None:
    """Images name their patient: one whom nobody announced is registered as provisional."""
    if study.patient_id is not None and study.patient.id is not None:
        news = News(patient_id=study.patient_id, site=study.site, source=Source.DIMSE, details=study.patient)
        await _learn(news, domain.mentioned, patients, provisional=True)


async def _learn(
    news: News, told: Callable[[Patient, News], Patient], patients: Patients, *, provisional: bool
) -> Patient:
    fresh = domain.registered(news, provisional=provisional)
    if await patients.add(fresh):
        patients.emit(PatientRegistered(**_fields(fresh)))
        return fresh
    known = await _known(news.patient_id, patients)
    patient = told(known, news)
    if patient != known:
        await patients.save(patient)
        patients.emit(PatientUpdated(**_fields(patient)))
    return patient


async def _known(patient_id: UUID, patients: Patients) -> Patient:
    known = await patients.by_id(patient_id)
    if known is None:
        raise LookupError(f"patient {patient_id} was there and is gone")
    return known


def _fields(patient: Patient) -> dict[str, object]:
    return {
        "site": patient.site,
        "patient_id": patient.patient_id,
        "provisional": patient.provisional,
        "source": patient.source,
        "patient": patient.details,
    }
