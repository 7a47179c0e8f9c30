"""When somebody says that a visit or account has another number (A50, A49), or undoes that: do this."""

from dataclasses import replace
from uuid import UUID

from fj_events import PatientVisitRenumbered, VisitPhi

from patient_service import learning
from patient_service.domain import renumbering as domain
from patient_service.domain.errors import NoSuchVisit, SameNumber
from patient_service.domain.following import VisitFollowing
from patient_service.domain.renumbering import RenumberNews
from patient_service.domain.undoing import undoable
from patient_service.domain.visit import Visit
from patient_service.ports import Patients, Visits


async def renumber(news: RenumberNews, patients: Patients, visits: Visits) -> None:
    """A visit or account has another number, also on the orders that carry the one before. Raises SameNumber."""
    if news.visit.number == news.renumbering.number:
        raise SameNumber
    await visits.lock(news.visit.visit_id)
    if await visits.add_renumbering(news.visit, news.renumbering):
        await _state(news.visit, news.site, "the registration system said so", patients, visits)


async def undo(visit_id: UUID, statement_id: UUID, reason: str, patients: Patients, visits: Visits) -> None:
    """A person undoes the last other number of a visit or account. Twice is once.

    Raises NoSuchVisit, NoSuchStatement, NotTheLast.
    """
    await visits.lock(visit_id)
    visit = await visits.by_id(visit_id)
    if visit is None:
        raise NoSuchVisit
    said = await visits.renumberings(visit_id)
    last = undoable(said, domain.last(said), statement_id)
    if last is not None:
        await visits.save_renumbering(visit_id, replace(last, undone=True))
        about = await learning.known(last.patient_id, patients)
        await _state(visit, about.site, reason, patients, visits)


async def _state(visit: Visit, site: str, reason: str, patients: Patients, visits: Visits) -> None:
    """Tell the others which number it has."""
    said = await visits.renumberings(visit.visit_id)
    counts, newest = domain.last(said), domain.newest(said)
    fact = PatientVisitRenumbered(
        site=site,
        visit_id=visit.visit_id,
        kind=visit.kind,
        patient_ids=tuple(sorted(newest.patient_ids)),
        renumbered_at=newest.at,
        reason=reason,
        visit=VisitPhi(number=visit.number, present_number=counts and counts.number),
    )
    await visits.save_following(
        VisitFollowing(
            visit_id=visit.visit_id,
            kind=visit.kind,
            fact_id=patients.emit(fact),
            site=site,
            patient_id=newest.patient_id,
        )
    )
