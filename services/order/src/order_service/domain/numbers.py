"""Numbers that `order` makes where a feed gives none. All follow from the order id: made twice, they are the same."""

from base64 import b32encode
from typing import Final
from uuid import UUID, uuid5

from fj_events import Identifier, Uid

SH: Final = 16
"""Longest short string, characters (DICOM PS3.5 Table 6.2-1): accession numbers, requested procedure ids."""

_ALPHABET: Final = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
)  # no I, L, O, U: read aloud and typed from paper


def accession_number(order_id: UUID, issuer: str) -> Identifier:
    """`FJ` and 12 characters that hold 60 bits of the order id."""
    bits = order_id.int & (1 << 60) - 1
    text = b32encode((bits << 20).to_bytes(10)).decode()[:12]
    return Identifier(value=f"FJ{text.translate(_ALPHABET)}", issuer=issuer)


def study_instance_uid(order_id: UUID) -> Uid:
    """A UID from a UUID (PS3.5 B.2)."""
    return f"2.25.{order_id.int}"


def another_study_instance_uid(order_id: UUID, taken: Uid) -> Uid:
    """For an order whose own UID stands on images that are not its own."""
    return study_instance_uid(uuid5(order_id, taken))


def requested_procedure_id(accession: Identifier) -> str:
    """One procedure per order: its id is the accession number, cut to what SH allows."""
    return accession.value[:SH]
