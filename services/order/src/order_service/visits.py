"""Orders go with their visit or account to another patient or number, whichever comes first."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from fj_events import PatientMerged, PatientUnmerged, PatientVisitFollowed, PatientVisitMoved, PatientVisitRenumbered

from order_service.domain import facts, going
from order_service.domain import order as domain
from order_service.domain import visit as visiting
from order_service.domain.order import Order, Request
from order_service.domain.visit import MovedVisit, Named, RenumberedVisit, Told, Visit
from order_service.ports import Orders


async def on_visit_moved(fact: PatientVisitMoved, room: str, orders: Orders) -> None:
    """A visit or account is another patient's: so are its orders, and nobody else's."""
    told = None
    if fact.visit.number is not None:
        told = MovedVisit(
            visit_id=fact.visit_id,
            visit=Visit(fact.kind, fact.visit.number),
            patient_ids=frozenset(fact.patient_ids),
            holder=Named(fact.patient_id, fact.patient) if fact.patient_id and fact.patient else None,
            at=fact.moved_at,
        )
    await _on_told(fact, told, room, orders)


async def on_visit_renumbered(fact: PatientVisitRenumbered, room: str, orders: Orders) -> None:
    """A visit or account has another number: so have its orders, and nobody else's."""
    told = None
    if fact.visit.number is not None:
        told = RenumberedVisit(
            visit_id=fact.visit_id,
            visit=Visit(fact.kind, fact.visit.number),
            patient_ids=frozenset(fact.patient_ids),
            number=fact.visit.present_number,
            at=fact.renumbered_at,
        )
    await _on_told(fact, told, room, orders)


async def _on_told(
    fact: PatientVisitMoved | PatientVisitRenumbered, told: Told | None, room: str, orders: Orders
) -> None:
    """Others follow the orders of a visit: who counts that is told which facts they hear.

    `room`: what this service is called.
    """
    changes = await _take(told, orders) if told else ()
    orders.emit(
        PatientVisitFollowed(
            site=fact.site, follower=f"{room}.{fact.visit_id}", room=room, visit_id=fact.visit_id, changes=changes
        )
    )


async def _take(told: Told, orders: Orders) -> tuple[UUID, ...]:
    await orders.lock_patients(told.patient_ids)
    await orders.lock_told()
    await orders.lock_visits(await orders.that_became(told.visit))
    await orders.keep_told(told)
    return await _follow([told.visit], orders, moved_with=told.visit_id)


async def on_patient_moved(fact: PatientMerged | PatientUnmerged, orders: Orders) -> None:
    """A number is another patient's: of whom something was said of a visit may be known by that number too."""
    await orders.lock_patients(fact.holders - {fact.patient_id})
    visits = await orders.visits_told_of([*fact.holders])
    if not visits:
        return
    await orders.lock_told()
    await orders.lock_visits([each for visit in visits for each in await orders.that_became(visit)])
    await _follow(visits, orders)


async def new_as_told(requests: Sequence[Request], orders: Orders) -> list[Request]:
    """Requests for new orders, each for whom its visit went to, and under the number that it has."""
    named = [going.named_by(request) for request in requests]
    told = await orders.told_of([visit for each in named for visit in each.visits])
    if not told:
        return list(requests)
    return [
        going.asked(request, each, visiting.now(each, told), None)
        for request, each in zip(requests, named, strict=True)
    ]


async def as_told(request: Request, orders: Orders, known: Order) -> Request:
    """A request to change a known order, for whom its visit went to, and under the number that it has."""
    named = going.named_by(request, known)
    told = await orders.told_of(named.visits) if named.visits else []
    now = visiting.now(named, told)
    if known.named is not None and request.patient_id == now.patient_id:
        # Either patient may be named: whom the placer named first counts again where the move is undone.
        first = named._replace(patient_id=known.named.patient_id, patient=known.named.patient)
        if visiting.now(first, told).patient_id == now.patient_id:
            named = first
    return going.asked(request, named, now, known)


async def take_turns(requests: Iterable[Request], orders: Orders) -> None:
    """Who moves or renumbers a visit waits for who orders something on it: before any order is locked."""
    await orders.lock_visits([visit for request in requests for visit in going.named_by(request).visits])


async def _follow(visits: Iterable[Visit], orders: Orders, moved_with: UUID | None = None) -> tuple[UUID, ...]:
    """The orders of these are whose they are now, and on what they are on now. Returns the facts that say so."""
    facts_told = []
    for visit in visits:
        for known in await orders.on_visit(visit):
            named = known.named or Named.of(known.details)
            order = going.given_to(known, named, visiting.now(named, await orders.told_of(named.visits)))
            if order != known:
                await orders.save(order)
                differences = domain.differences(known.details, order.details)
                facts_told.append(orders.emit(facts.changed(order, differences, None, moved_with)))
    return tuple(facts_told)
