"""What the door understands of an order message, name by name."""

from collections.abc import Iterator, Mapping

from fj_hl7 import Message

from order_service.entrypoints.hl7 import Said, Translator, paired


def understood(translator: Translator, message: Message) -> Iterator[Mapping[str, object]]:
    """Each order of the message. Raises Refusal."""
    everything = []
    for said in translator.each(message):
        everything.append(said)
        yield _names(said)
    paired(everything)


def _names(said: Said) -> Mapping[str, object]:
    wish, request, clinical = said.wish, said.wish.request, said.wish.request.clinical
    return {
        "order_control": wish.control,
        "placer_order_number": wish.number,
        "filler_order_number": request.filler_order_number,
        "accession_number": request.accession_number,
        "study_instance_uid": request.study_instance_uid,
        "procedure": request.procedure,
        "priority": request.priority,
        "modality": request.modality,
        "asked_for": request.asked_for,
        "requested_procedure_id": request.requested_procedure_id,
        "scheduled_step_id": request.scheduled_step_id,
        "station_ae_title": request.station_ae_title,
        "steps": request.steps,
        "ordering_provider": request.ordering_provider,
        "reason": clinical.reason,
        "history": clinical.history,
        "notes": clinical.notes,
        "visit_number": clinical.visit_number,
        "account_number": clinical.account_number,
        "location": clinical.location,
        "site": request.site,
        "patient_id": request.patient.id,
        **{name: value for name, value in request.patient if name != "id" and value},
    }
