"""When ADT says how far a visit is and where its patient is, or what is one visit changes: do this."""

from collections.abc import Collection, Mapping
from uuid import UUID

from fj_events import PatientVisitUpdated, VisitPhi

from patient_service.domain import stay as domain
from patient_service.domain.stay import Event, Node, Stay
from patient_service.domain.visit import Visit
from patient_service.ports import Patients, Stays, Visits


async def hear(event: Event, visit: Visit, patients: Patients, visits: Visits, stays: Stays) -> None:
    """Something happens in a visit (A01 to A13, A38, A50, A51). Said twice it is said once."""
    await visits.lock(visit.visit_id)
    await stays.add(visit, event)
    await tell(visit.visit_id, patients, visits, stays)


async def tell(visit_id: UUID, patients: Patients, visits: Visits, stays: Stays) -> None:
    """Tell the others what a visit is by now, where they were told otherwise, and all that it hangs together with.

    So what ADT said goes along when a visit is moved or gets another number, and comes back when that is undone.
    """
    around = await _around(visit_id, visits, stays)
    events, told = await stays.events([*around]), await stays.told([*around])
    moves = {each: await visits.moves(each) for each in around}
    numbers = {each: await visits.renumberings(each) for each in around}
    nodes = sorted({Node(event.visit_id, event.patient_id) for event in events} | {*told})
    for group in domain.groups(nodes, domain.ties(around.values(), moves, numbers)):
        said = [event for event in events if Node(event.visit_id, event.patient_id) in group]
        for each in sorted({node.visit_id for node in group}):
            mine = sorted(node for node in group if node.visit_id == each)
            stay = _now(said, mine, told)
            if stay is not None and any(told.get(node) != stay for node in mine):
                await stays.keep_told(each, stay)
                patients.emit(_fact(around[each], stay))


async def _around(visit_id: UUID, visits: Visits, stays: Stays) -> Mapping[UUID, Visit]:
    """The visit under all numbers that it may have had, held until the end."""
    await visits.lock(visit_id)
    held = {visit_id}
    while more := (around := await stays.around(visit_id)).keys() - held:
        for each in sorted(more):
            await visits.lock(each)
        held |= more
    return around


def _now(said: Collection[Event], mine: Collection[Node], told: Mapping[Node, Stay]) -> Stay | None:
    """What to say of a number and those who have it; None where nobody ever said anything."""
    patient_ids = tuple(node.patient_id for node in mine)
    if said:
        return domain.stay(said, patient_ids)
    before = next((told[node] for node in mine if node in told), None)
    return before and Stay(patient_ids=patient_ids, site=before.site, at=before.at)


def _fact(visit: Visit, stay: Stay) -> PatientVisitUpdated:
    return PatientVisitUpdated(
        site=stay.site,
        visit_id=visit.visit_id,
        patient_ids=stay.patient_ids,
        state=stay.state,
        patient_class=stay.patient_class,
        updated_at=stay.at,
        visit=VisitPhi(number=visit.number, location=stay.location),
    )
