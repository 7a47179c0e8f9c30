"""Site profiles: where this sender puts what, and what its codes mean. `DEFAULT` is what the standard and IHE say."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from fj_hl7.datatypes import CWE, CX
from fj_hl7.places import Found, Place, Source

if TYPE_CHECKING:
    from fj_hl7.message import Segments
    from fj_hl7.segment import Segment


class Item(StrEnum):
    """What the doors look for in a message; the values are the names that profiles and domains use."""

    PATIENT_ID = "patient_id"
    VISIT_NUMBER = "visit_number"
    ACCOUNT_NUMBER = "account_number"
    ORDER_CONTROL = "order_control"
    ORDER_STATUS = "order_status"
    PLACER_ORDER_NUMBER = "placer_order_number"
    FILLER_ORDER_NUMBER = "filler_order_number"
    ACCESSION_NUMBER = "accession_number"
    STUDY_INSTANCE_UID = "study_instance_uid"
    PROCEDURE = "procedure"
    PRIORITY = "priority"
    MODALITY = "modality"
    ASKED_FOR = "asked_for"
    REQUESTED_PROCEDURE_ID = "requested_procedure_id"
    SCHEDULED_STEP_ID = "scheduled_step_id"
    STATION_AE_TITLE = "station_ae_title"
    ORDERING_PROVIDER = "ordering_provider"
    REASON = "reason"
    HISTORY = "history"
    RESULT_STATUS = "result_status"
    APPOINTMENT_PLACER_NUMBER = "appointment_placer_number"
    APPOINTMENT_FILLER_NUMBER = "appointment_filler_number"
    APPOINTMENT_START = "appointment_start"


_COMPOSITE: Final = frozenset({Item.PROCEDURE, Item.ORDERING_PROVIDER, Item.REASON, Item.HISTORY})
"""What may be said without the first component of its field."""
_DEFAULT_PLACES: Final = {
    Item.PATIENT_ID: ("PID-3", "PID-2", "PID-4"),
    Item.VISIT_NUMBER: ("PV1-19",),
    Item.ACCOUNT_NUMBER: ("PID-18",),
    Item.ORDER_CONTROL: ("ORC-1",),
    Item.ORDER_STATUS: ("ORC-5",),
    Item.PLACER_ORDER_NUMBER: ("ORC-2", "OBR-2"),
    Item.FILLER_ORDER_NUMBER: ("ORC-3",),
    Item.ACCESSION_NUMBER: ("IPC-1", "ORC-3", "OBR-18", "OBR-20"),
    Item.STUDY_INSTANCE_UID: ("ZDS-1", "IPC-3"),
    Item.PROCEDURE: ("OBR-4",),
    Item.PRIORITY: ("TQ1-9.1", "ORC-7.6", "OBR-27.6", "OBR-5.1"),
    Item.MODALITY: ("IPC-5", "OBR-24"),
    Item.ASKED_FOR: ("TQ1-7.1", "ORC-7.4", "OBR-27.4", "OBR-36.1"),
    Item.REQUESTED_PROCEDURE_ID: ("IPC-2",),
    Item.SCHEDULED_STEP_ID: ("IPC-4",),
    Item.STATION_AE_TITLE: ("IPC-9",),
    Item.ORDERING_PROVIDER: ("ORC-12", "OBR-16"),
    Item.REASON: ("OBR-31",),
    Item.HISTORY: ("OBR-13",),
    Item.RESULT_STATUS: ("OBR-25",),
    Item.APPOINTMENT_PLACER_NUMBER: ("SCH-26",),
    Item.APPOINTMENT_FILLER_NUMBER: ("SCH-27",),
    # The service's own start before those of rooms and equipment.
    Item.APPOINTMENT_START: ("AIS-4.1", "TQ1-7.1", "SCH-11.4", "AIL-6.1", "AIG-8.1"),
}
DEFAULT_PLACES: Final[Mapping[Item, tuple[Source, ...]]] = MappingProxyType(
    {item: tuple(map(Place.parse, places)) for item, places in _DEFAULT_PLACES.items()}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """What a sender's own codes mean; one that is not here means what it says."""

    priority: Mapping[str, str] = field(default_factory=dict)
    """To HL7 table 0485."""
    sex: Mapping[str, str] = field(default_factory=dict)
    """To HL7 table 0001."""
    modality: Mapping[str, str] = field(default_factory=dict)
    """To the defined terms of PS3.3 C.7.3.1.1.1."""
    order_control: Mapping[str, str] = field(default_factory=dict)
    """To HL7 table 0119. `SC/CA` is a control with a status (ORC-1 and ORC-5), which goes before the control alone."""
    result_status: Mapping[str, str] = field(default_factory=dict)
    """To HL7 table 0123; of documents to table 0271."""
    procedure: Mapping[str, CWE] = field(default_factory=dict)
    """To codes of the catalogue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CharacterSet:
    """What the bytes of a sender are: a name of HL7 table 0211."""

    name: str
    always: bool = False
    """Also where MSH-18 says something else; else only where it is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How one sender writes."""

    name: str = "standard"
    site: str | None = None
    """The site that it belongs to; None: by its sending application and facility."""
    time_zone: str | None = None
    """Of times without an offset; None: the site's."""
    issuers: Mapping[str, str] = field(default_factory=dict)
    """Assigning authorities (patient, accession, placer, filler) of numbers without one; those left out: the site's."""
    character_set: CharacterSet | None = None
    places: Mapping[Item, tuple[Source, ...]] = field(default_factory=lambda: DEFAULT_PLACES)
    own: frozenset[Item] = frozenset()
    """The items whose places are this sender's own."""
    codes: Codes = Codes()

    def each(self, item: Item, *scopes: "Segments", otherwise: Sequence[Source] = ()) -> Iterator[Found]:
        """What stands in the item's places, in their order; the empty ones are left out.

        `otherwise`: the places of a sender that has none of its own, where it is not the standard that decides.
        """
        sources = otherwise if otherwise and item not in self.own else self.places[item]
        for source in sources:
            found = source.find(scopes)
            if found is not None and (found.text or item in _COMPOSITE):
                yield found

    def find(self, item: Item, *scopes: "Segments") -> Found | None:
        """The first of `each`, without what a generator costs: most items are asked for only so."""
        for source in self.places[item]:
            found = source.find(scopes)
            if found is not None and (found.text or item in _COMPOSITE):
                return found
        return None

    def text(self, item: Item, *scopes: "Segments") -> str:
        """The text of the first of `each`, empty where all are."""
        found = self.find(item, *scopes)
        return found.text if found is not None else ""

    def patient_ids(self, pid: "Segment") -> list[CX]:
        """The number by which this sender knows the patient, where it is not simply the first one."""
        if Item.PATIENT_ID not in self.own:
            return []
        places = (source for source in self.places[Item.PATIENT_ID] if isinstance(source, Place))
        found = (place.within(pid) for place in places if place.segment == pid.name)
        return [each.read(CX) for each in found if each is not None][:1]

    def sex(self, code: str) -> str:
        """Sex in the words of table 0001."""
        return self.codes.sex.get(code, code)

    def control(self, control: str, status: str) -> str:
        """Order control in the words of table 0119."""
        codes = self.codes.order_control
        return codes.get(f"{control}/{status}") or codes.get(control) or control if codes else control

    def procedure(self, coded: CWE) -> CWE:
        """The procedure in the words of the catalogue."""
        return self.codes.procedure.get(coded.code, coded)

    def declared(self, msh_18: str) -> str | None:
        """The character set in which to read a message again that declares `msh_18`; None: it is right."""
        if self.character_set is None or (msh_18 and not self.character_set.always):
            return None
        return self.character_set.name


DEFAULT: Final = Profile()
