"""ORM^O01, OMG^O19 and OMI^O23 in our own terms (HL7 v2.5.1 ch. 4.4; IHE RAD-2, RAD-4)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

from fj_doors import instant, site_of
from fj_events import Identifier, OrderedStep, PatientPhi, Source, patient_key
from fj_hl7 import PID, AckCode, ErrorCode, Group, Hl7Error, Item, Message, Refusal, Segment, missing
from fj_runtime import Site, Sites

from order_service.domain.control import CONTROLS, REPLACEMENT
from order_service.domain.life import Act
from order_service.domain.order import Heard, Request
from order_service.domain.wish import Wish
from order_service.entrypoints.grouped import Part, by_order, united
from order_service.entrypoints.reading import OrderReading, authority_of, needs_request
from order_service.entrypoints.steps import alone, step_of, steps_of


@dataclass(frozen=True, slots=True)
class Said:
    """What is wanted of one order, and the ORC groups in which it stands: mostly one."""

    wish: Wish
    groups: tuple[Group, ...]

    @property
    def orc(self) -> Segment:
        """What an error points at."""
        return self.groups[0]["ORC"]


@dataclass(frozen=True, slots=True)
class Translator:
    """Reads messages by the rules of the site that their sender belongs to."""

    sites: Sites
    namespace: UUID

    def wishes(self, message: Message) -> list[Said]:
        """Every order of a message. Raises Refusal, which points at what does not fit."""
        return paired(list(self.each(message)))

    def each(self, message: Message) -> Iterator[Said]:
        """The orders of a message, one by one, a replacement not yet with what it replaces."""
        site = site_of(message, self.sites)
        patient = _patient(PID.read(message["PID"], message.profile), site)
        if len(message.segments("PID")) > 1:
            text = "orders of more than one patient in a message"
            raise Refusal(AckCode.AE, Hl7Error(text, ErrorCode.SEGMENT_SEQUENCE_ERROR, "PID", 2))
        groups = message.groups("ORC")
        if not groups:
            raise missing("ORC")
        readings = [OrderReading(message, group, site) for group in groups]
        for about_one in by_order(readings, site.issuers.placer):
            yield self._said(message, about_one, patient, site)

    def _said(self, message: Message, readings: Sequence[OrderReading], patient: PatientPhi, site: Site) -> Said:
        first, *others = [self._wish(message, reading, patient, site) for reading in reversed(readings)][::-1]
        wish = first
        if others and needs_request(first.control):
            requests = zip(readings, (each.request for each in (first, *others)), strict=True)
            wish = replace(first, request=united([_part(*each) for each in requests]))
        return Said(wish, tuple(reading.group for reading in readings))

    def _wish(self, message: Message, reading: OrderReading, patient: PatientPhi, site: Site) -> Wish:
        group = reading.group
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
        step = step_of(reading, group, accession, with_study="ZDS" in message)
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
            requested_procedure_id=reading.name(Item.REQUESTED_PROCEDURE_ID),
            modality=step.modality,
            asked_for=reading.asked_for(heard),
            scheduled_step_id=step.step_id,
            station_ae_title=step.station_ae_title,
            steps=steps_of(reading, group) or alone(step),
            ordering_provider=reading.provider(),
            clinical=reading.clinical(),
            heard=heard,
        )
        reason = orc.get(16, 2) or orc.get(16) or None
        return Wish(control=control, number=placer, request=request, heard=heard, reason=reason)


def _part(reading: OrderReading, request: Request) -> Part:
    only = OrderedStep(
        step_id=request.scheduled_step_id, modality=request.modality, station_ae_title=request.station_ae_title
    )
    return Part(reading.group["ORC"], request, request.steps or (only,))


def _heard(message: Message, orc: Segment, site: Site) -> Heard:
    """When it was said. A clock that is ahead must not silence those who come later: nothing is newer than now."""
    latest = message.received_at or datetime.now(UTC)
    times = (message.header.time(7), orc.time(9))
    said_at, transaction_at = (min(instant(time, site), latest) if time else None for time in times)
    return Heard(said_at=said_at, transaction_at=transaction_at, came_at=message.received_at)


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
