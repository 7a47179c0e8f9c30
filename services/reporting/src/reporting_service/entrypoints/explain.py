"""What the door for results understands of a message, name by name."""

from collections.abc import Iterator, Mapping

from fj_hl7 import Message
from fj_runtime import Sites

from reporting_service.domain.report import Reading
from reporting_service.entrypoints.mllp import KINDS


def understood(sites: Sites, message: Message) -> Iterator[Mapping[str, object]]:
    """Each result of the message. Raises Refusal."""
    yield from map(_names, KINDS[message.kind](message, sites))


def _names(reading: Reading) -> Mapping[str, object]:
    return {
        "site": reading.site,
        "result_status": reading.status,
        "placer_order_number": reading.placer_order_number,
        "accession_number": reading.accession_numbers,
        "study_instance_uid": reading.study_instance_uids,
        "document_number": reading.document_number,
        "addendum_to": reading.addendum_to,
        "author": reading.author,
        "at": reading.at,
        "text": _one_line(reading.content.text),
        "impression": _one_line(reading.content.impression),
    }


def _one_line(text: str | None) -> str | None:
    return text and " / ".join(filter(None, text.splitlines()))
