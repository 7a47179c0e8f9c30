"""ORM^O01, OMG^O19 and OMI^O23 in our own terms (HL7 v2.5.1 ch. 4.4; IHE RAD-2, RAD-4)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from fj_doors import instant, site_of
from fj_events import Identifier, PatientPhi, Source, patient_key
from fj_hl7 import PID, AckCode, ErrorCode, Group, Hl7Error, Item, Message, Refusal, Segment, missing
from fj_runtime import Site, Sites

from order_service.domain.control import CONTROLS, REPLACEMENT
from order_service.domain.life import Act
from order_service.domain.numbers import SH
from order_service.domain.order import Heard, Request
from order_service.domain.wish import Wish
from order_service.entrypoints.reading import OrderReading, authority_of, needs_request
from order_service.entrypoints.steps import steps_of


@dataclass(frozen=True, slots=True)
class Said:
    """One ORC group: what is wanted, and where it stands."""

    wish: Wish
    orc: Segment
    details: tuple[str, ...] = ()
    """The segments that a reply about it has to repeat: OBR and IPC, in ORI."""


@dataclass(frozen=True, slots=True)
class Translator:
    """Reads messages by the rules of the site that their sender belongs to."""

    sites: Sites
    namespace: UUID

    def wishes(self, message: Message) -> list[Said]:
        """Every order of a message. Raises Refusal, which points at what does not fit."""
        return paired(list(self.each(message)))

    def each(self, message: Message) -> Iterator[Said]:
        """The groups of a message, one by one, a replacement not yet with what it replaces."""
        site = site_of(message, self.sites)
        patient = _patient(PID.read(message["PID"], message.profile), site)
        if len(message.segments("PID")) > 1:
            text = "orders of more than one patient in a message"
            raise Refusal(AckCode.AE, Hl7Error(text, ErrorCode.SEGMENT_SEQUENCE_ERROR, "PID", 2))
        groups = message.groups("ORC")
        if not groups:
            raise missing("ORC")
        for group in groups:
            yield self._wish(message, group, patient, site)

    def _wish(self, message: Message, group: Group, patient: PatientPhi, site: Site) -> Said:
        reading = OrderReading(message, group, site)
        orc, obr = group["ORC"], group.segment("OBR")
        control = reading.control()
        placer = reading.number(Item.PLACER_ORDER_NUMBER, site.issuers.placer)
        if placer is None:
            raise missing("ORC", orc.sequence, 2)
        if obr is None and needs_request(control):
            raise missing("OBR")
        if patient.id is None:
            raise missing("PID", 1, 3)
        accession, filler = reading.accession()
        heard = _heard(message, orc, site)
        request = Request(
            site=site.name,
            patient_id=patient_key(self.namespace, patient.id.issuer, patient.id.value),
            patient=patient,
            procedure=reading.procedure(control),
            source=Source.HL7,
            accession_issuer=site.issuers.accession,
            priority=reading.priority(),
            placer_order_number=placer,
            filler_order_number=filler,
            accession_number=accession,
            study_instance_uid=reading.study_uid(),
            requested_procedure_id=reading.text(Item.REQUESTED_PROCEDURE_ID)[:SH] or None,
            modality=reading.modality(),
            asked_for=reading.asked_for(),
            scheduled_step_id=reading.text(Item.SCHEDULED_STEP_ID)[:SH] or None,
            station_ae_title=reading.text(Item.STATION_AE_TITLE)[:SH] or None,
            steps=steps_of(reading, group),
            ordering_provider=reading.provider(),
            clinical=reading.clinical(),
            heard=heard,
        )
        reason = orc.get(16, 2) or orc.get(16) or None
        return Said(
            Wish(control=control, number=placer, request=request, heard=heard, reason=reason),
            orc,
            _details(message, group),
        )


def _details(message: Message, group: Group) -> tuple[str, ...]:
    """ORI names of each order OBR and IPC (ch. 4.4.11); ORR and ORG need not."""
    names = ("OBR", "IPC") if message.code == "OMI" else ()
    return tuple(str(segment) for name in names for segment in group.segments(name))


def _heard(message: Message, orc: Segment, site: Site) -> Heard:
    """When it was said. A clock that is ahead must not silence those who come later: nothing is newer than now."""
    now = datetime.now(UTC)
    times = (message.header.time(7), orc.time(9))
    said_at, transaction_at = (min(instant(time, site), now) if time else None for time in times)
    return Heard(said_at=said_at, transaction_at=transaction_at)


def _replaces(said: Said) -> bool:
    known = CONTROLS.get(said.wish.control)
    return known is not None and known.act is Act.REPLACE


def paired(everything: Sequence[Said]) -> list[Said]:
    """The wishes, each RP or RU with the RO that follows it. Raises Refusal where one is without the other."""
    paired: list[Said] = []
    for said in everything:
        if said.wish.control == REPLACEMENT:
            if not paired or not _replaces(paired[-1]) or paired[-1].wish.replacement is not None:
                raise _alone(said, f"{REPLACEMENT} follows no RP or RU")
            replaced = paired.pop()
            paired.append(replace(replaced, wish=replace(replaced.wish, replacement=said.wish.request)))
        else:
            paired.append(said)
    for said in paired:
        if _replaces(said) and said.wish.replacement is None:
            raise _alone(said, f"{said.wish.control} is followed by no {REPLACEMENT}")
    return paired


def _alone(said: Said, text: str) -> Refusal:
    return Refusal(AckCode.AE, Hl7Error(text, ErrorCode.SEGMENT_SEQUENCE_ERROR, "ORC", said.orc.sequence, 1))


def _patient(pid: PID, site: Site) -> PatientPhi:
    ids = [Identifier(value=cx.value, issuer=authority_of(cx) or site.issuers.patient) for cx in pid.ids]
    return PatientPhi.model_validate({"id": next(iter(ids), None), "other_ids": ids[1:], **pid.demographics()})
