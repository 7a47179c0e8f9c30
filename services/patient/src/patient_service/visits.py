"""When somebody says whose a visit or account is (A44, A45), or undoes that: do this."""

from dataclasses import replace
from uuid import UUID

from fj_events import PatientVisitFollowed, PatientVisitMoveCompleted, PatientVisitMoved, VisitPhi

from patient_service import learning
from patient_service.domain import following
from patient_service.domain import visit as domain
from patient_service.domain.errors import NoSuchVisit, SamePatient
from patient_service.domain.following import VisitFollowing
from patient_service.domain.undoing import undoable
from patient_service.domain.visit import Move, Visit, VisitNews
from patient_service.ports import Patients, Visits


async def move(news: VisitNews, patients: Patients, visits: Visits) -> None:
    """A visit or account goes to another patient, and nothing else of the old one. Raises SamePatient.

    Patients that nobody announced are registered as provisional: the announcement may be on its way.
    """
    if news.prior.patient_id == news.holder.patient_id:
        raise SamePatient
    await visits.lock(news.visit.visit_id)
    for each in sorted((news.prior, news.holder), key=lambda each: each.patient_id):
        await learning.mention(each, patients)
    said = Move(prior_id=news.prior.patient_id, holder_id=news.holder.patient_id, at=news.at)
    if await visits.add(news.visit, said):
        await _state(news.visit, "the registration system said so", patients, visits)


async def undo(visit_id: UUID, statement_id: UUID, reason: str, patients: Patients, visits: Visits) -> None:
    """A person undoes the last move of a visit or account: the one before it counts. Twice is once.

    Raises NoSuchVisit, NoSuchStatement, NotTheLast.
    """
    await visits.lock(visit_id)
    visit = await visits.by_id(visit_id)
    if visit is None:
        raise NoSuchVisit
    moves = await visits.moves(visit_id)
    last = undoable(moves, domain.last(moves), statement_id)
    if last is not None:
        await visits.save(visit_id, replace(last, undone=True))
        await _state(visit, reason, patients, visits)


async def on_followed(
    followed: PatientVisitFollowed, followed_fact: UUID | None, patients: Patients, visits: Visits
) -> None:
    """A room has followed a move, or an order that went along: after the last one of them all doors answer alike."""
    await visits.lock(followed.visit_id)
    known = await visits.following(followed.visit_id)
    if known is None or followed_fact is None:
        return
    now = following.visit_followed(known, followed.room, followed_fact, followed.changes)
    await visits.save_following(now)
    if now.completed and not known.completed:
        fact = PatientVisitMoveCompleted(
            site=now.site,
            visit_id=now.visit_id,
            kind=now.kind,
            patient_id=now.patient_id,
            rooms=tuple(sorted(now.rooms)),
        )
        patients.emit(fact)


async def _state(visit: Visit, reason: str, patients: Patients, visits: Visits) -> None:
    """Tell the others whose it is."""
    moves = await visits.moves(visit.visit_id)
    now = domain.standing(moves)
    about = await learning.known(now.holder or now.patient_ids[0], patients)
    fact = PatientVisitMoved(
        site=about.site,
        visit_id=visit.visit_id,
        kind=visit.kind,
        patient_ids=now.patient_ids,
        patient_id=now.holder,
        moved_at=now.at,
        reason=reason,
        visit=VisitPhi(number=visit.number),
        # Without the numbers that are theirs by a merge: orders carry on what stands here, and it is taken for a
        # number of their own by whoever hears of it after the merge was undone.
        patient=about.details if now.holder else None,
    )
    await visits.save_following(
        VisitFollowing(
            visit_id=visit.visit_id,
            kind=visit.kind,
            fact_id=patients.emit(fact),
            site=about.site,
            patient_id=now.holder,
        )
    )
