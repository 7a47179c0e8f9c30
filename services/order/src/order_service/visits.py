"""Orders go with their visit or account to another patient, whichever comes first."""

from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

from fj_events import PatientMerged, PatientUnmerged, PatientVisitFollowed, PatientVisitMoved

from order_service.domain import facts
from order_service.domain import order as domain
from order_service.domain.order import Order, Request
from order_service.domain.visit import MovedVisit, Named, Visit, visits_of, whose
from order_service.ports import Orders


async def on_visit_moved(fact: PatientVisitMoved, room: str, orders: Orders) -> None:
    """A visit or account is another patient's: so are its orders, and nobody else's.

    Others follow those orders: who counts that is told which facts they hear. `room`: what this service is called.
    """
    changes = await _moved(fact, orders)
    orders.emit(
        PatientVisitFollowed(
            site=fact.site, follower=f"{room}.{fact.visit_id}", room=room, visit_id=fact.visit_id, changes=changes
        )
    )


async def _moved(fact: PatientVisitMoved, orders: Orders) -> tuple[UUID, ...]:
    if fact.visit.number is None:
        return ()
    move = MovedVisit(
        visit_id=fact.visit_id,
        visit=Visit(fact.kind, fact.visit.number),
        patient_ids=frozenset(fact.patient_ids),
        holder=Named(fact.patient_id, fact.patient) if fact.patient_id and fact.patient else None,
        at=fact.moved_at,
    )
    await orders.lock_patients(move.patient_ids)
    await orders.lock_visits([move.visit])
    await orders.keep_move(move)
    return await _follow([move.visit], orders, moved_with=move.visit_id)


async def on_patient_moved(fact: PatientMerged | PatientUnmerged, orders: Orders) -> None:
    """A number is another patient's: of whom a visit was moved may be known by that number too."""
    await orders.lock_patients(fact.holders - {fact.patient_id})
    moved = await orders.moved_visits_of([*fact.holders])
    await orders.lock_visits(moved)
    await _follow(moved, orders)


async def as_moved(request: Request, orders: Orders, known: Order | None = None) -> Request:
    """A request for whom its visit went to. `known`: the order that it is about."""
    visits = visits_of(domain.clinical(request, known.details if known else None))
    named = Named(request.patient_id, request.patient)
    now = whose(named, await orders.moves(visits)) if visits else named
    if now.patient_id == named.patient_id:
        return request
    kept = known is not None and known.details.patient_id == now.patient_id
    patient = known.details.patient if known is not None and kept else now.patient
    return replace(request, patient_id=now.patient_id, patient=patient, named=named)


async def take_turns(requests: Iterable[Request], orders: Orders) -> None:
    """Who moves a visit waits for who orders something on it: before any order is locked."""
    await orders.lock_visits([visit for request in requests for visit in visits_of(request.clinical)])


async def _follow(visits: Iterable[Visit], orders: Orders, moved_with: UUID | None = None) -> tuple[UUID, ...]:
    """The orders of these go to whose they are now. Returns the facts that say so."""
    told = []
    for visit in visits:
        for known in await orders.on_visit(visit):
            named = known.named or Named(known.details.patient_id, known.details.patient)
            now = whose(named, await orders.moves(visits_of(known.details.clinical)))
            order = domain.given_to(known, named, now)
            if order != known:
                await orders.save(order)
                differences = domain.differences(known.details, order.details)
                told.append(orders.emit(facts.changed(order, differences, None, moved_with)))
    return tuple(told)
