"""One order of a message, field by field: by the profile of its sender, else where standard and IHE put it."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from fj_doors import instant, location_of
from fj_events import ClinicalPhi, CodedConcept, Identifier, PatientLocation, Priority, Staff
from fj_hl7 import (
    CWE,
    CX,
    EI,
    XCN,
    AckCode,
    ErrorCode,
    Found,
    Group,
    Hl7Error,
    Item,
    Message,
    Place,
    Refusal,
    Segment,
    missing,
)
from fj_runtime import Site

from order_service.domain.control import BY_STATUS, CONTROLS, REPLACEMENT, STATUS
from order_service.domain.numbers import SH
from order_service.domain.order import Heard
from order_service.entrypoints.notes import notes_of

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

_DATED: Final = (Place.parse("OBR-6.1"), Place.parse("OBR-7.1"))
"""Where senders put the start besides: OBR-6 is kept for backward compatibility, OBR-7 is the time of what was observed
(ch. 4.5.3.6, 4.5.3.7). So they are wishes only where they lie ahead."""
_ASSIGNED: Final = 3
_MOMENT: Final = timedelta(minutes=1)


class OrderReading:
    """One order of a message, read by the profile of its sender."""

    __slots__ = ("_before", "_message", "_profile", "_site", "group")

    def __init__(self, message: Message, group: Group, site: Site) -> None:
        self._message = message
        self.group = group
        self._profile = message.profile
        self._site = site
        # Looked at only for places of the sender's own, and then for each of them.
        self._before = message.head("ORC") if message.profile.own else None

    def each(self, item: Item, otherwise: Sequence[Place] = ()) -> Iterator[Found]:
        """What stands in the item's places: of the order, else of what stands before all orders."""
        if self._before is not None and item in self._profile.own:
            return self._profile.each(item, self.group, self._before)
        return self._profile.each(item, self.group, otherwise=otherwise)

    def find(self, item: Item) -> Found | None:
        """The first of `each`."""
        if self._before is not None and item in self._profile.own:
            return self._profile.find(item, self.group, self._before)
        return self._profile.find(item, self.group)

    def within(self, item: Item, segment: Segment, otherwise: Sequence[Place] = ()) -> Found | None:
        """What stands in those of the item's places that this segment has."""
        sources = otherwise if otherwise and item not in self._profile.own else self._profile.places[item]
        places = (each for each in sources if isinstance(each, Place) and each.segment == segment.name)
        found = (place.within(segment) for place in places if place.selected is None)
        return next((each for each in found if each is not None and each.text), None)

    def text(self, item: Item) -> str:
        found = self.find(item)
        return found.text if found is not None else ""

    def name(self, item: Item) -> str | None:
        """What names something on the worklist; None, with a warning, where it does not fit."""
        return _name(self.find(item))

    def name_within(self, item: Item, segment: Segment) -> str | None:
        """What one segment names something."""
        return _name(self.within(item, segment))

    def number(self, item: Item, issuer: str) -> Identifier | None:
        found = self.find(item)
        return _identifier(found, issuer) if found is not None else None

    def control(self) -> str:
        """ORC-1 in the words of table 0119. Raises Refusal where it is empty, or not taken here."""
        said = self.text(Item.ORDER_CONTROL).upper()
        if not said:
            raise missing("ORC", self.group["ORC"].sequence, 1)
        if self._profile.codes.order_control:
            said = self._profile.control(said, self.text(Item.ORDER_STATUS).upper())
        status = self.text(Item.ORDER_STATUS).upper() if said == STATUS else ""
        said = BY_STATUS.get(status, said)
        if said not in CONTROLS and said != REPLACEMENT:
            said += f" with status {status}" if status else ""
            text = f"order control {said} is not one of {', '.join(CONTROLS)}"
            sequence = self.group["ORC"].sequence
            raise Refusal(AckCode.AE, Hl7Error(text, ErrorCode.TABLE_VALUE_NOT_FOUND, "ORC", sequence, 1))
        return said

    def accession(self) -> tuple[Identifier | None, Identifier | None]:
        """The accession number, and the filler number; what is too long for SH is only the latter."""
        filler = self.number(Item.FILLER_ORDER_NUMBER, self._site.issuers.filler)
        for found in self.each(Item.ACCESSION_NUMBER, _places(self._site.accession)):
            number = self._accession(found)
            if len(number.value) <= SH:
                return number, filler
            filler = filler or number
        return None, filler

    def accession_within(self, segment: Segment) -> tuple[Found, Identifier] | None:
        """The accession number of one segment, and where it stands."""
        found = self.within(Item.ACCESSION_NUMBER, segment, _places(self._site.accession))
        return (found, self._accession(found)) if found is not None else None

    def _accession(self, found: Found) -> Identifier:
        return _identifier(found, self._site.issuers.accession)

    def procedure(self, control: str) -> CodedConcept:
        """What is asked for, in the words of the catalogue. Raises Refusal where an order does not say it."""
        found = self.find(Item.PROCEDURE)
        coded = found.read(CWE) if found is not None else None
        if coded is None or not (coded.code or coded.text):
            if needs_request(control):
                obr = self.group.segment("OBR")
                raise missing("OBR", obr.sequence if obr else 1, 4)
            return CodedConcept(code="")
        meant = self._profile.procedure(coded)
        return CodedConcept(code=meant.code or meant.text, text=meant.text or None, system=meant.system or None)

    def modality(self) -> str | None:
        return next(filter(None, map(self._modality, self.each(Item.MODALITY))), None)

    def modality_within(self, segment: Segment) -> str | None:
        """The modality that one segment names."""
        found = self.within(Item.MODALITY, segment)
        return self._modality(found) if found is not None else None

    def _modality(self, found: Found) -> str | None:
        code = self._profile.codes.modality.get(found.text) or found.text.upper()
        return code if code in _MODALITIES else None

    def priority(self) -> Priority:
        code = self.text(Item.PRIORITY)
        code = self._profile.codes.priority.get(code, code)
        return _PRIORITIES.get(code[:1].upper(), Priority.ROUTINE)

    def asked_for(self, heard: Heard) -> datetime | None:
        """When it is wanted: by the standard's places; what is only when the message was made goes behind all others.

        Many senders fill one of the places with the time of the order itself, and put the wish into another one.
        """
        own = Item.ASKED_FOR in self._profile.own
        made = [time for time in (heard.transaction_at, heard.said_at) if time is not None]
        at_once = None
        for time in self._times(self.each(Item.ASKED_FOR)):
            if own or not _is_one_of(time, made):
                return time
            at_once = at_once or time
        dated = () if own else self._times(filter(None, (place.find((self.group,)) for place in _DATED)))
        ahead = (time for time in dated if not made or (time > min(made) and not _is_one_of(time, made)))
        return next(ahead, at_once)

    def _times(self, everything: Iterable[Found]) -> Iterator[datetime]:
        times = (found.time() for found in everything)
        return (instant(time, self._site) for time in times if time is not None)

    def study_uid(self) -> str | None:
        found = self.find(Item.STUDY_INSTANCE_UID)
        if found is None:
            return None
        if len(found.text) > 64 or not all(part.isdigit() for part in found.text.split(".")):
            raise _no_uid(found)
        return found.text

    def provider(self) -> Staff | None:
        people = (found.read(XCN) for found in self.each(Item.ORDERING_PROVIDER))
        person = next((person for person in people if person.id or person.family), None)
        if person is None:
            return None
        return Staff(id=person.id or None, family_name=person.family or None, given_name=person.given or None)

    def clinical(self) -> ClinicalPhi:
        why = self.find(Item.REASON)
        reason = why.read(CWE) if why else None
        history = self.find(Item.HISTORY)
        site = self._site
        account = self._profile.find(Item.ACCOUNT_NUMBER, self.group, self._message)
        visit = self._profile.find(Item.VISIT_NUMBER, self.group, self._message)
        return ClinicalPhi(
            reason=(reason.text or reason.code or None) if reason else None,
            history=(history.value.whole() or None) if history else None,
            notes=notes_of(self.group),
            visit_number=_identifier(visit, site.issuers.patient, CX) if visit else None,
            account_number=_identifier(account, site.issuers.patient, CX) if account else None,
            location=self._location(),
        )

    def _location(self) -> PatientLocation | None:
        """PV1-3; None where nothing is said, or that nobody knows it."""
        pv1 = self._message.segment("PV1")
        said = location_of(pv1, _ASSIGNED) if pv1 is not None else None
        return said if said is not None and said.display else None


def _is_one_of(time: datetime, moments: Sequence[datetime]) -> bool:
    return any(abs(time - moment) < _MOMENT for moment in moments)


def _identifier(found: Found, issuer: str, kind: type[CX] | type[EI] = EI) -> Identifier:
    number = found.read(kind)
    return Identifier(value=number.value, issuer=authority_of(number) or issuer)


@lru_cache
def _places(fields: tuple[str, ...]) -> tuple[Place, ...]:
    return tuple(map(Place.parse, fields))


def _name(found: Found | None) -> str | None:
    if found is None:
        return None
    name = fitting(found.text)
    if name is None and found.segment is not None:
        found.segment.warn(f"{found.source} does not fit into a short string of DICOM and was left out")
    return name


def fitting(text: str) -> str | None:
    """What names something, where it is a short string (PS3.5 Table 6.2-1): cut off it would name something else."""
    return text if text and len(text) <= SH and "\\" not in text else None


def _no_uid(found: Found) -> Refusal:
    source, segment = found.source, found.segment
    if segment is None or not isinstance(source, Place):
        return Refusal(AckCode.AE, Hl7Error(f"the {source} of the profile is no UID", ErrorCode.DATA_TYPE_ERROR))
    place = (segment.name, segment.sequence, source.field, source.component)
    return Refusal(AckCode.AE, Hl7Error(f"{source} is no UID", ErrorCode.DATA_TYPE_ERROR, *place))


def needs_request(control: str) -> bool:
    """Whether a message with this order control has to say what is asked for."""
    known = CONTROLS.get(control)
    return control == REPLACEMENT or (known is not None and known.needs_request)


def authority_of(numbered: CX | EI) -> str:
    """Whose number it is, as the message says; empty where it does not."""
    return numbered.authority.namespace or numbered.authority.universal_id
