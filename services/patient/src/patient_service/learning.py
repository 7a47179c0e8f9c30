"""Learning of patients: what somebody says becomes what is known, and what others are told."""

from collections.abc import Callable
from uuid import UUID

from fj_events import PatientRegistered, PatientUpdated

from patient_service.domain import facts
from patient_service.domain import patient as domain
from patient_service.domain.patient import News, Patient
from patient_service.ports import Patients


async def learn(
    news: News, told: Callable[[Patient, News], Patient], patients: Patients, *, provisional: bool
) -> Patient:
    """A patient after somebody spoke of it; whom nobody spoke of before is registered."""
    fresh = domain.registered(news, provisional=provisional)
    if await patients.add(fresh):
        patients.emit(PatientRegistered(**facts.state_of(fresh)))
        return fresh
    before = await known(news.patient_id, patients)
    return await update(before, told(before, news), patients)


async def mention(news: News, patients: Patients) -> Patient:
    """A message names a patient and says no more: one whom no ADT announced is registered as provisional."""
    return await learn(news, domain.mentioned, patients, provisional=True)


async def update(before: Patient, patient: Patient, patients: Patients) -> Patient:
    """Keep a patient, and tell others where they see a difference."""
    if patient != before:
        await patients.save(patient)
        if (patient.public, patient.provisional) != (before.public, before.provisional):
            patients.emit(PatientUpdated(**facts.state_of(patient)))
    return patient


async def known(patient_id: UUID, patients: Patients) -> Patient:
    """A patient that is there."""
    found = await patients.by_id(patient_id)
    if found is None:
        raise LookupError(f"patient {patient_id} was there and is gone")
    return found
