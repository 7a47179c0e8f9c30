"""What a scheduling system says of an appointment, and which order it means."""

from collections.abc import Iterator
from enum import StrEnum

from fj_events import Identifier, OrderDetails
from pydantic import AwareDatetime, BaseModel, ConfigDict


class Told(StrEnum):
    """What became of the appointment."""

    BOOKED = "booked"
    """Also: moved, or changed."""
    GIVEN_UP = "given up"
    MISSED = "missed"


class News(BaseModel):
    """One message about one appointment."""

    model_config = ConfigDict(frozen=True)

    site: str
    told: Told
    placer_order_number: Identifier | None = None
    accession_or_filler: Identifier | None = None
    """Systems that book write the accession number where HL7 has the filler order number."""
    starts_at: AwareDatetime | None = None
    """None: the time stays."""
    said_at: AwareDatetime | None = None
    """When it was said, as the sender says (MSH-7); a time in the future counts as now."""
    stations: tuple[str, ...] = ()
    """Resources and places, of which one may be a station's AE title."""
    appointment: tuple[Identifier, ...] = ()
    """What the scheduling systems call it (SCH-1, SCH-2)."""
    patient: Identifier | None = None
    """Whose it is, where no order says so."""

    @property
    def names(self) -> tuple[str, ...]:
        """By which the order may be meant."""
        return tuple(_names(self.placer_order_number, self.accession_or_filler))

    @property
    def appointment_names(self) -> tuple[str, ...]:
        """By which the appointment may be meant."""
        return tuple(f"appointment/{number.issuer}/{number.value}" for number in self.appointment)

    def about_order_of(self, known: "News") -> "News":
        """The same of the order that the appointment was said to be for before."""
        numbers = {name: getattr(known, name) for name in ("placer_order_number", "accession_or_filler")}
        return self.model_copy(update=numbers)


def names_of(details: OrderDetails) -> tuple[str, ...]:
    """By which an order may be meant."""
    numbers = (details.accession_number, details.filler_order_number)
    return tuple(_names(details.placer_order_number, *numbers))


def _names(placer: Identifier | None, *fillers: Identifier | None) -> Iterator[str]:
    if placer is not None:
        yield f"placer/{placer.issuer}/{placer.value}"
    yield from (f"filler/{filler.issuer}/{filler.value}" for filler in fillers if filler is not None)
