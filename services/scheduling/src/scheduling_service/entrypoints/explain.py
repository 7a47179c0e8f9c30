"""What the door for appointments understands of a SIU message, name by name."""

from collections.abc import Iterator, Mapping

from fj_hl7 import Message
from fj_runtime import Sites

from scheduling_service.entrypoints.mllp import KINDS, read_news


def understood(sites: Sites, message: Message) -> Iterator[Mapping[str, object]]:
    """The one appointment of the message. Raises Refusal."""
    news = read_news(message, KINDS[message.kind], sites)
    yield {
        "site": news.site,
        "told": news.told,
        "appointment_placer_number": news.placer_order_number,
        "appointment_filler_number": news.accession_or_filler,
        "appointment": news.appointment,
        "patient_id": news.patient,
        "appointment_start": news.starts_at,
        "stations": news.stations,
    }
