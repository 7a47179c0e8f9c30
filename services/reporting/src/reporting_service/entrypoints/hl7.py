"""ORU^R01, MDM^T02 and MDM^T06 in our own terms (HL7 v2.5.1 ch. 7.3, 9.5; IHE RAD-128)."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from fj_doors import site_of
from fj_events import Identifier, ReportPhi, Source, Staff
from fj_hl7 import DTM, EI, XCN, AckCode, ErrorCode, Hl7Error, Item, Message, Refusal, Segment, missing
from fj_runtime import Site, Sites

from reporting_service.domain.report import Reading, Status, least_final
from reporting_service.entrypoints.places import Places
from reporting_service.entrypoints.status import DOCUMENTS, RESULTS, of_observations, of_whole

_TEXTS: Final = frozenset({"TX", "FT", "ST", "CE", "CWE", ""})
_IMPRESSIONS: Final = frozenset({"IMP", "IMPRESSION", "19005-8", "59773-6"})


def results(message: Message, sites: Sites) -> list[Reading]:
    """Every result of an ORU^R01. Raises Refusal, which points at what does not fit."""
    site = site_of(message, sites)
    groups = message.groups("ORC")
    if not groups:
        raise missing("OBR")
    readings = []
    for group in groups:
        obr = group["OBR"]
        places = Places(message.profile, site, (group, message.head("ORC")))
        said = of_whole(places.first(Item.RESULT_STATUS), RESULTS, message.profile)
        status = least_final(filter(None, (said, of_observations(group.segments("OBX")))))
        if status is None:
            raise missing("OBR", obr.sequence, 25)
        person = obr.first(XCN, 32) or obr.first(XCN, 16)
        at = _at(obr.time(22) or message.header.time(7), site)
        readings.append(_reading(_Head(site, status, person, at), places, group.segments("OBX")))
    return readings


def document(message: Message, sites: Sites) -> list[Reading]:
    """The document of an MDM^T02. Raises Refusal."""
    return [_document(message, sites, None)]


def addendum(message: Message, sites: Sites) -> list[Reading]:
    """The addendum of an MDM^T06, to the document that it names (TXA-13, ch. 9.5.6). Raises Refusal."""
    site, txa = site_of(message, sites), message["TXA"]
    txa.required(13)
    return [_document(message, sites, _number(txa, 13, site))]


def _document(message: Message, sites: Sites, addendum_to: Identifier | None) -> Reading:
    site = site_of(message, sites)
    txa = message["TXA"]
    places = Places(message.profile, site, (message,), document=True)
    said = of_whole(places.first(Item.RESULT_STATUS), DOCUMENTS, message.profile)
    if said is None:
        raise missing("TXA", txa.sequence, 17)
    status = least_final(filter(None, (said, of_observations(message.segments("OBX"))))) or said
    at = _at(txa.time(22) or txa.time(4) or message.header.time(7), site)
    head = _Head(site, status, txa.first(XCN, 5), at, _number(txa, 12, site), addendum_to)
    return _reading(head, places, message.segments("OBX"))


def _number(txa: Segment, field: int, site: Site) -> Identifier | None:
    """Of a document. Whoever writes it numbers it."""
    number = txa.first(EI, field)
    if number is None or not number.value:
        return None
    authority = number.authority.namespace or number.authority.universal_id
    return Identifier(value=number.value, issuer=authority or site.issuers.filler)


class _Head(NamedTuple):
    """What a message says of a reading beside its numbers and its text."""

    site: Site
    status: Status
    person: XCN | None
    at: datetime
    document_number: Identifier | None = None
    addendum_to: Identifier | None = None


def _reading(head: _Head, places: Places, observations: Sequence[Segment]) -> Reading:
    placer, accessions, uids = places.placer_order_number(), places.accession_numbers(), places.study_instance_uids()
    if placer is None and not accessions and not uids and head.addendum_to is None:
        raise missing("OBR", 1, 2)
    texts = [obx for obx in observations if obx.get(2) in _TEXTS and not places.is_read(obx)]
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
        accession_numbers=accessions,
        placer_order_number=placer,
        study_instance_uids=uids,
        document_number=head.document_number,
        addendum_to=head.addendum_to,
    )


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
