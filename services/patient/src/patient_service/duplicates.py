"""When something becomes known of a patient, look for who may be the same person; and what a person says to that."""

from dataclasses import dataclass
from uuid import UUID

from fj_events import (
    DuplicateOutcome,
    LinkBasis,
    MatchGrade,
    PatientDuplicateDismissed,
    PatientDuplicateResolved,
    PatientDuplicateSuspected,
)

from patient_service.domain import link as linking
from patient_service.domain import suspicion as suspicions
from patient_service.domain.blocking import ALIKE_MOST
from patient_service.domain.errors import NotSuspected
from patient_service.domain.link import ByHand
from patient_service.domain.matching import Grade, Rules, Verdict, compare, sharing
from patient_service.domain.suspicion import State, Suspicion
from patient_service.links import link_by_hand, state_link
from patient_service.ports import Duplicates, Links, Patients, Record


@dataclass(frozen=True, slots=True)
class Work:
    """What is needed to look for one person in two records, inside one transaction."""

    duplicates: Duplicates
    links: Links
    patients: Patients
    rules: Rules


async def look_at(patient_id: UUID, work: Work) -> None:
    """Compare a record with those that share a key or a number with it, and with those it is suspected with already."""
    mine = await work.duplicates.record(patient_id)
    if mine is None:
        return
    near = [] if mine.merged else await work.duplicates.near(mine.patient)
    alike = [each for each in near if _verdict(mine, each, work).grade is not Grade.NONE]
    asked = await work.duplicates.suspected_with(patient_id) if mine.suspected else []
    others = {each.patient.patient_id: each for each in (*asked, *(alike if len(alike) <= ALIKE_MOST else ()))}
    for _, other in sorted(others.items()):
        await _weigh(mine, other, work)


async def decide(act: ByHand, work: Work) -> None:
    """A person says whether a pair is one person. Raises SamePatient, NotSuspected where nobody was asked."""
    pair = linking.link(act.pair, linked=act.linked, at=act.at, basis=LinkBasis.USER, reason=act.reason).pair
    known, one = await work.duplicates.of(pair), await work.duplicates.record(pair[0])
    if known is None or one is None or known.state is not State.OPEN:
        raise NotSuspected
    site = one.patient.site
    if act.linked:
        await link_by_hand(act, work.patients, work.links)
        await _close(known, DuplicateOutcome.LINKED, site, work)
        return
    await work.duplicates.save(suspicions.closed(known, State.DISMISSED))
    fact = PatientDuplicateDismissed(site=site, patient_id=pair[0], other_id=pair[1], reason=act.reason)
    work.patients.emit(fact)


async def _weigh(mine: Record, theirs: Record, work: Work) -> None:
    """What two records say of each other, and what follows from it."""
    one, other = sorted((mine, theirs), key=lambda record: record.patient.patient_id)
    pair = one.patient.patient_id, other.patient.patient_id
    verdict = _verdict(one, other, work)
    known = await work.duplicates.of(pair)
    outcome = await _settled(one, other, verdict, work)
    if outcome is not None:
        if known is not None and known.state is State.OPEN:
            await _close(known, outcome, one.patient.site, work)
        return
    said = suspicions.evidence(one.patient.details, other.patient.details)
    if suspicions.is_answered(known, said):
        return
    if verdict.grade is Grade.CERTAIN and work.rules.link:
        await _link(pair, one.patient.site, verdict, work)
        if known is not None and known.state is State.OPEN:
            await _close(known, DuplicateOutcome.LINKED, one.patient.site, work)
    elif known is None or (known.state, known.evidence) != (State.OPEN, said):
        await _suspect(one, other, verdict, said, work)


def _verdict(one: Record, other: Record, work: Work) -> Verdict:
    verdict = compare(one.patient.details, other.patient.details, work.rules)
    number = linking.shared_number(one.patient, other.patient)
    if number is not None and linking.is_contradicted(one.patient, other.patient):
        return sharing(verdict, f"number of {number.issuer}")
    return verdict


async def _settled(one: Record, other: Record, verdict: Verdict, work: Work) -> DuplicateOutcome | None:
    """Why nobody has to be asked, whatever the records say."""
    pair = one.patient.patient_id, other.patient.patient_id
    if one.merged or other.merged:
        return DuplicateOutcome.MERGED
    persons = await work.links.persons(pair)
    if persons.get(pair[0], pair[0]) == persons.get(pair[1], pair[1]):
        return DuplicateOutcome.LINKED
    said = await work.links.of(*pair)
    if said is not None and not said.linked and said.basis is not LinkBasis.IDENTIFIER:
        return DuplicateOutcome.APART
    return DuplicateOutcome.CHANGED if verdict.grade is Grade.NONE else None


async def _link(pair: tuple[UUID, UUID], site: str, verdict: Verdict, work: Work) -> None:
    reason = f"score {verdict.score:g}: {', '.join(verdict.reasons)}"
    said = linking.link(pair, linked=True, at=None, basis=LinkBasis.SCORE, reason=reason)
    await state_link(said, site, work.patients, work.links)


async def _suspect(one: Record, other: Record, verdict: Verdict, said: str, work: Work) -> None:
    pair = one.patient.patient_id, other.patient.patient_id
    await work.duplicates.save(suspicions.suspected(pair, verdict, said))
    fact = PatientDuplicateSuspected(
        site=one.patient.site,
        patient_id=pair[0],
        other_id=pair[1],
        score=verdict.score,
        grade=MatchGrade(verdict.grade),
        reasons=verdict.reasons,
        patient=one.patient.public,
        other=other.patient.public,
    )
    work.patients.emit(fact)


async def _close(known: Suspicion, outcome: DuplicateOutcome, site: str, work: Work) -> None:
    await work.duplicates.save(suspicions.closed(known, State.RESOLVED))
    fact = PatientDuplicateResolved(site=site, patient_id=known.one, other_id=known.other, outcome=outcome)
    work.patients.emit(fact)
