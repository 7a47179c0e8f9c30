"""ORU^R01 and MDM^T02 in our own terms (HL7 v2.5.1 ch. 7.3, 9.5; IHE RAD-128)."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from fj_doors import site_of
from fj_events import Identifier, ReportPhi, Source, Staff
from fj_hl7 import DTM, EI, XCN, AckCode, ErrorCode, Hl7Error, Message, Refusal, Segment, missing
from fj_runtime import Site, Sites

from reporting_service.domain.report import Reading, Status

_RESULTS: Final = {
    **dict.fromkeys("PAR", Status.PRELIMINARY),
    "F": Status.FINAL,
    "C": Status.CORRECTED,
}
"""OBR-25, table 0123: P preliminary, A some results, R not verified; F final; C corrected."""
_DOCUMENTS: Final = {
    **dict.fromkeys(("DI", "DO", "IN", "IP", "PA"), Status.PRELIMINARY),
    **dict.fromkeys(("AU", "LA"), Status.FINAL),
}
"""TXA-17, table 0271: authenticated documents are final."""
_TEXTS: Final = frozenset({"TX", "FT", "ST", "CE", "CWE", ""})
_IMPRESSIONS: Final = frozenset({"IMP", "IMPRESSION", "19005-8", "59773-6"})
_STUDY_UIDS: Final = frozenset({"113014", "110180"})
"""Study Instance UID (DCM), as the value of an observation."""
_UID: Final = re.compile(r"[0-9]+(\.[0-9]+)*")


def results(message: Message, sites: Sites) -> list[Reading]:
    """Every result of an ORU^R01. Raises Refusal, which points at what does not fit."""
    site = site_of(message, sites)
    groups = message.groups("ORC")
    if not groups:
        raise missing("OBR")
    readings = []
    for group in groups:
        obr = group["OBR"]
        code = obr.required(25).strip().upper()
        status = _status(code, _RESULTS, obr, 25)
        person = obr.first(XCN, 32) or obr.first(XCN, 16)
        at = _at(obr.time(22) or message.header.time(7), site)
        about = _numbers(group.segment("ORC"), obr, site)
        readings.append(_reading(_Head(site, status, *about, person, at), group.segments("OBX")))
    return readings


def document(message: Message, sites: Sites) -> list[Reading]:
    """The document of an MDM^T02. Raises Refusal."""
    site = site_of(message, sites)
    txa = message["TXA"]
    status = _status(txa.required(17).strip().upper(), _DOCUMENTS, txa, 17)
    orc, obr = message.segment("ORC"), message.segment("OBR")
    placer, accessions = _numbers(orc, obr, site)
    placer = placer or _identifier(txa, 14, site.issuers.placer)
    filler = _identifier(txa, 15, site.issuers.accession)
    accessions = (*accessions, *([filler] if filler else []))
    at = _at(txa.time(22) or txa.time(4) or message.header.time(7), site)
    head = _Head(site, status, placer, accessions, txa.first(XCN, 5), at)
    return [_reading(head, message.segments("OBX"))]


class _Head(NamedTuple):
    """What a message says of a reading beside its text."""

    site: Site
    status: Status
    placer: Identifier | None
    accessions: tuple[Identifier, ...]
    person: XCN | None
    at: datetime


def _reading(head: _Head, observations: Sequence[Segment]) -> Reading:
    uids = tuple(_uid(obx) for obx in observations if obx.get(3) in _STUDY_UIDS and obx.get(5).strip())
    if head.placer is None and not head.accessions and not uids:
        raise missing("OBR", 1, 2)
    texts = [obx for obx in observations if obx.get(2) in _TEXTS and obx.get(3) not in _STUDY_UIDS]
    content = ReportPhi(
        text=_text(obx for obx in texts if not _is_impression(obx)),
        impression=_text(obx for obx in texts if _is_impression(obx)),
    )
    if content.text is None and content.impression is None:
        wrong = Hl7Error("no OBX holds text: TX, FT or ST in OBX-2", ErrorCode.REQUIRED_FIELD_MISSING, "OBX", 1, 5)
        raise Refusal(AckCode.AE, wrong)
    return Reading(
        site=head.site.name,
        status=head.status,
        content=content if content.text else content.model_copy(update={"text": content.impression}),
        at=head.at,
        source=Source.HL7,
        author=_staff(head.person),
        accession_numbers=head.accessions,
        placer_order_number=head.placer,
        study_instance_uids=uids,
    )


def _uid(obx: Segment) -> str:
    uid = obx.get(5).strip()
    if len(uid) > 64 or not _UID.fullmatch(uid):
        wrong = Hl7Error("OBX-5 is no UID", ErrorCode.DATA_TYPE_ERROR, "OBX", obx.sequence, 5)
        raise Refusal(AckCode.AE, wrong)
    return uid


def _status(code: str, table: dict[str, Status], segment: Segment, field: int) -> Status:
    try:
        return table[code]
    except KeyError:
        text = f"{segment.name}-{field} {code} is not one of {', '.join(table)}"
        wrong = Hl7Error(text, ErrorCode.TABLE_VALUE_NOT_FOUND, segment.name, segment.sequence, field)
        raise Refusal(AckCode.AE, wrong) from None


def _numbers(orc: Segment | None, obr: Segment | None, site: Site) -> tuple[Identifier | None, tuple[Identifier, ...]]:
    """The placer order number, and every number that may be the accession number."""
    placer, accessions = None, []
    for segment in (obr, orc):
        if segment is not None:
            placer = placer or _identifier(segment, 2, site.issuers.placer)
    if obr is not None:
        accessions += [_identifier(obr, field, site.issuers.accession) for field in (18, 20, 3)]
    if orc is not None:
        accessions.append(_identifier(orc, 3, site.issuers.accession))
    return placer, tuple(dict.fromkeys(number for number in accessions if number))


def _identifier(segment: Segment, field: int, issuer: str) -> Identifier | None:
    number = segment.first(EI, field)
    if number is None or not number.value:
        return None
    authority = number.authority.namespace or number.authority.universal_id
    return Identifier(value=number.value, issuer=authority or issuer)


def _text(observations: Iterable[Segment]) -> str | None:
    lines = []
    for obx in observations:
        lines += [obx.text(5, repetition) for repetition in range(len(obx.values(5)))] or [""]
    return "\n".join(lines).strip() or None


def _is_impression(obx: Segment) -> bool:
    code = obx.get(3).upper()
    return code in _IMPRESSIONS or obx.get(3, 1, 0, 2).upper() in _IMPRESSIONS


def _staff(person: XCN | None) -> Staff | None:
    if person is None or not (person.id or person.family):
        return None
    return Staff(id=person.id or None, family_name=person.family or None, given_name=person.given or None)


def _at(time: DTM | None, site: Site) -> datetime:
    if time is None:
        return datetime.now(UTC)
    return time.at if time.at.tzinfo else site.localize(time.at)
