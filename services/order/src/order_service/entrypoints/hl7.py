"""ORM^O01, OMG^O19 and OMI^O23 in our own terms (HL7 v2.5.1 ch. 4.4; IHE RAD-2, RAD-4)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from uuid import UUID

from fj_events import ClinicalPhi, CodedConcept, Identifier, PatientPhi, Priority, Source, Staff, patient_key
from fj_hl7 import CWE, CX, DTM, EI, PID, XCN, AckCode, ErrorCode, Group, Hl7Error, Message, Refusal, Segment, missing
from fj_runtime import Site, Sites

from order_service.domain.control import CONTROLS, REPLACEMENT
from order_service.domain.life import Act
from order_service.domain.numbers import SH
from order_service.domain.order import Heard, Request
from order_service.domain.wish import Wish

_PRIORITIES: Final = {"S": Priority.STAT, "A": Priority.ASAP, "U": Priority.URGENT, "T": Priority.URGENT}
"""HL7 table 0485 and the older TQ-6; whatever else is routine."""

_MODALITIES: Final = frozenset(
    [
        "BI",
        "BMD",
        "CR",
        "CT",
        "DX",
        "ECG",
        "EPS",
        "ES",
        "GM",
        "HD",
        "IO",
        "IVUS",
        "LS",
        "MG",
        "MR",
        "NM",
        "OCT",
        "OP",
        "OPT",
        "PT",
        "PX",
        "RF",
        "RG",
        "RTIMAGE",
        "SC",
        "SM",
        "TG",
        "US",
        "XA",
        "XC",
    ]
)
"""Defined terms of Modality that can be asked for (PS3.3 C.7.3.1.1.1). Other section ids (RAD, XRC …) name none."""


@dataclass(frozen=True, slots=True)
class Said:
    """One ORC group: what is wanted, and where it stands."""

    wish: Wish
    orc: Segment


@dataclass(frozen=True, slots=True)
class Translator:
    """Reads messages by the rules of the site that their sender belongs to."""

    sites: Sites
    namespace: UUID

    def wishes(self, message: Message) -> list[Said]:
        """Every order of a message. Raises Refusal, which points at what does not fit."""
        site = self.sites.of_sender(*message.sender)
        patient = _patient(PID.read(message["PID"]), site)
        groups = message.groups("ORC")
        if not groups:
            raise missing("ORC")
        return _paired([self._wish(message, group, patient, site) for group in groups])

    def _wish(self, message: Message, group: Group, patient: PatientPhi, site: Site) -> Said:
        orc = group["ORC"]
        control = orc.required(1).upper()
        obr = group.segment("OBR")
        placer = _number(orc, 2, site.issuers.placer) or (_number(obr, 2, site.issuers.placer) if obr else None)
        if placer is None:
            raise missing("ORC", orc.sequence, 2)
        if obr is None and _needs_request(control):
            raise missing("OBR")
        if patient.id is None:
            raise missing("PID", 1, 3)
        accession, filler = _accession(group, site)
        ipc = group.segment("IPC")
        heard = _heard(message, orc, site)
        request = Request(
            site=site.name,
            patient_id=patient_key(self.namespace, patient.id.issuer, patient.id.value),
            patient=patient,
            procedure=_procedure(obr, control),
            source=Source.HL7,
            accession_issuer=site.issuers.accession,
            priority=_priority(group),
            placer_order_number=placer,
            filler_order_number=filler,
            accession_number=accession,
            study_instance_uid=_study_uid(group),
            requested_procedure_id=_get(ipc, 2)[:SH] or None,
            modality=_modality(ipc, obr),
            asked_for=_asked_for(group, site),
            scheduled_step_id=_get(ipc, 4)[:SH] or None,
            station_ae_title=_get(ipc, 9)[:SH] or None,
            ordering_provider=_provider(orc, obr),
            clinical=_clinical(message, obr, site),
            heard=heard,
        )
        reason = orc.get(16, 2) or orc.get(16) or None
        return Said(Wish(control=control, number=placer, request=request, heard=heard, reason=reason), orc)


def _heard(message: Message, orc: Segment, site: Site) -> Heard:
    """When it was said. A clock that is ahead must not silence those who come later: nothing is newer than now."""
    now = datetime.now(UTC)
    times = (message.header.time(7), orc.time(9))
    said_at, transaction_at = (min(_at(time, site.localize), now) if time else None for time in times)
    return Heard(said_at=said_at, transaction_at=transaction_at)


def _needs_request(control: str) -> bool:
    known = CONTROLS.get(control)
    return control == REPLACEMENT or (known is not None and known.needs_request)


def _replaces(said: Said) -> bool:
    known = CONTROLS.get(said.wish.control)
    return known is not None and known.act is Act.REPLACE


def _paired(everything: Sequence[Said]) -> list[Said]:
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
    ids = [Identifier(value=cx.value, issuer=_authority(cx) or site.issuers.patient) for cx in pid.ids]
    return PatientPhi.model_validate({"id": next(iter(ids), None), "other_ids": ids[1:], **pid.demographics()})


def _authority(numbered: CX | EI) -> str:
    return numbered.authority.namespace or numbered.authority.universal_id


def _number(segment: Segment, field: int, issuer: str) -> Identifier | None:
    number = segment.first(EI, field)
    if number is None or not number.value:
        return None
    return Identifier(value=number.value, issuer=_authority(number) or issuer)


def _accession(group: Group, site: Site) -> tuple[Identifier | None, Identifier | None]:
    """The accession number by the site's rule, and the filler number; what is too long for SH is only the latter."""
    filler = _number(group["ORC"], 3, site.issuers.filler)
    for place in site.accession:
        name, field = _place(place)
        segment = group.segment(name)
        number = _number(segment, field, site.issuers.accession) if segment else None
        if number is not None and len(number.value) <= SH:
            return number, filler
        if number is not None:
            filler = filler or number
    return None, filler


@lru_cache
def _place(field: str) -> tuple[str, int]:
    """`OBR-18` as the name of the segment and the number of the field."""
    name, number = field.split("-")
    return name, int(number)


def _procedure(obr: Segment | None, control: str) -> CodedConcept:
    coded = obr.first(CWE, 4) if obr else None
    if coded is None or not (coded.code or coded.text):
        if _needs_request(control):
            raise missing("OBR", obr.sequence if obr else 1, 4)
        return CodedConcept(code="")
    return CodedConcept(code=coded.code or coded.text, text=coded.text or None, system=coded.system or None)


def _modality(ipc: Segment | None, obr: Segment | None) -> str | None:
    said = (_get(ipc, 5).upper(), _get(obr, 24).upper())
    return next((code for code in said if code in _MODALITIES), None)


def _priority(group: Group) -> Priority:
    places = (("TQ1", 9, 1), ("ORC", 7, 6), ("OBR", 27, 6), ("OBR", 5, 1))
    for name, field, component in places:
        if code := _get(group.segment(name), field, component):
            return _PRIORITIES.get(code[:1].upper(), Priority.ROUTINE)
    return Priority.ROUTINE


def _asked_for(group: Group, site: Site) -> datetime | None:
    places = (("TQ1", 7, 1), ("ORC", 7, 4), ("OBR", 27, 4), ("OBR", 36, 1))
    for name, field, component in places:
        segment = group.segment(name)
        time = segment.time(field, component) if segment else None
        if time is not None:
            return _at(time, site.localize)
    return None


def _at(time: DTM, localize: Callable[[datetime], datetime]) -> datetime:
    return time.at if time.at.tzinfo else localize(time.at)


def _study_uid(group: Group) -> str | None:
    for name, field in (("ZDS", 1), ("IPC", 3)):
        if uid := _get(group.segment(name), field):
            if len(uid) > 64 or not all(part.isdigit() for part in uid.split(".")):
                wrong = Hl7Error(f"{name}-{field} is no UID", ErrorCode.DATA_TYPE_ERROR, name, 1, field)
                raise Refusal(AckCode.AE, wrong)
            return uid
    return None


def _provider(orc: Segment, obr: Segment | None) -> Staff | None:
    person = orc.first(XCN, 12) or (obr.first(XCN, 16) if obr else None)
    if person is None or not (person.id or person.family):
        return None
    return Staff(id=person.id or None, family_name=person.family or None, given_name=person.given or None)


def _clinical(message: Message, obr: Segment | None, site: Site) -> ClinicalPhi:
    reason = obr.first(CWE, 31) if obr else None
    visit = message.segment("PV1")
    return ClinicalPhi(
        reason=(reason.text or reason.code) if reason else None,
        history=(obr.text(13) or None) if obr else None,
        visit_number=_number(visit, 19, site.issuers.patient) if visit else None,
    )


def _get(segment: Segment | None, field: int, component: int = 1) -> str:
    return segment.get(field, component).strip() if segment is not None else ""
