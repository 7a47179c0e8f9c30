"""An order that goes with its visit or account to another patient, or gets its new number."""

from dataclasses import replace

from fj_events import OrderDetails

from order_service.domain.order import Order, Request, with_details
from order_service.domain.visit import Named, numbers_of


def named_by(request: Request, kept: Order | None = None) -> Named:
    """What a request names: whose it is, and on what; on what the order is, is kept where it does not say."""
    said = Named(request.patient_id, request.patient).on(numbers_of(request.clinical))
    if kept is None:
        return said
    before = (kept.named or Named.of(kept.details)).numbers
    return said.on({name: number or before[name] for name, number in said.numbers.items()})


def asked(request: Request, named: Named, now: Named, kept: Order | None) -> Request:
    """The request for whom its visit went to, under the numbers of visit and account by now."""
    patient = request.patient
    if now.patient_id != request.patient_id:
        is_kept = kept is not None and kept.details.patient_id == now.patient_id
        patient = kept.details.patient if kept is not None and is_kept else now.patient
    return replace(
        request,
        patient_id=now.patient_id,
        patient=patient,
        clinical=request.clinical.model_copy(update=now.numbers),
        named=None if named.is_same(now) else named,
    )


def given_to(order: Order, named: Named, now: Named) -> Order:
    """The order of whom its visit went to, under the numbers of visit and account by now. `named`: by its placer."""
    before = Named.of(order.details)
    if before.is_same(now):
        return order
    patient = {} if now.patient_id == before.patient_id else {"patient_id": now.patient_id, "patient": now.patient}

    def given(details: OrderDetails) -> OrderDetails:
        on = numbers_of(details.clinical)
        fresh = {name: now.numbers[name] for name, number in on.items() if number == before.numbers[name]}
        return details.model_copy(update={**patient, "clinical": details.clinical.model_copy(update=fresh)})

    return replace(with_details(order, given), named=None if named.is_same(now) else named)
