"""Storage commitment (PS3.4 Annex J): what a sender asks to be kept for good."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fj_events import CommitmentRequested, SopReference

REFERENCES_PER_FACT: Final = 2000
"""A reference is at most 180 bytes of JSON, so that no fact comes near the 512 KiB of law 7."""


@dataclass(frozen=True, slots=True)
class CommitmentRequest:
    """One N-ACTION."""

    transaction_uid: str
    calling_ae_title: str
    site: str
    references: tuple[SopReference, ...]

    @property
    def digest(self) -> bytes:
        """Tells the same request from another one under the same Transaction UID."""
        names = (self.calling_ae_title, *(f"{r.sop_class_uid}\0{r.sop_instance_uid}" for r in self.references))
        return hashlib.sha256("\n".join(names).encode()).digest()


class TransactionReused(Exception):
    """Another request had this Transaction UID."""


class NotKept(Exception):
    """The request could not be committed; nothing has happened."""


def facts_of(request: CommitmentRequest, now: datetime) -> Iterator[CommitmentRequested]:
    """The request in as few facts as it fits in."""
    references = request.references
    pieces = [references[at : at + REFERENCES_PER_FACT] for at in range(0, len(references), REFERENCES_PER_FACT)]
    for part, piece in enumerate(pieces, start=1):
        yield CommitmentRequested(
            site=request.site,
            transaction_uid=request.transaction_uid,
            calling_ae_title=request.calling_ae_title,
            requested_at=now,
            part=part,
            parts=len(pieces),
            number_of_references=len(references),
            references=piece,
        )
