"""Storage commitment (PS3.4 annex J)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from fj_events import Fact

from storage_service.domain.commitment import Commitment
from storage_service.domain.commitment import Overview as CommitmentOverview
from storage_service.domain.commitment import State as CommitmentState
from storage_service.domain.retrieval import Stored


class Undelivered(Exception):
    """A peer could not be told; the message says why, free of PHI. Later it may be."""


class Commitments(Protocol):
    """The ledger of storage commitment requests, outside of any transaction."""

    async def claim(self, now: datetime) -> Commitment | None:
        """The request that has been due longest; for some minutes nobody else gets it."""

    async def wait(self, commitment: Commitment, until: datetime, why: str) -> None:
        """Examine it again then."""

    async def answer(self, commitment: Commitment, facts: Sequence[Fact]) -> None:
        """Fix its result, with the facts that say so."""

    async def retry(self, commitment: Commitment, at: datetime, why: str) -> None:
        """Tell the sender again then."""

    async def close(self, commitment: Commitment, state: CommitmentState, why: str | None) -> None:
        """It is told, or given up."""


class CommitmentBook(Protocol):
    """Looking requests up."""

    async def newest(self, limit: int) -> list[CommitmentOverview]:
        """The requests that came last."""


class Evidence(Protocol):
    """What there is of an instance."""

    async def known(self, sop_instance_uids: Sequence[str]) -> dict[Stored, bytes]:
        """The current instances with these UIDs, and the SHA-256 of each data set as it was received."""
