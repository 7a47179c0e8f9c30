"""What persons say about where studies belong."""

from collections.abc import Callable, Sequence
from typing import Protocol
from uuid import UUID

from fj_events import PatientPhi

from storage_service.domain.keys import OrderKeys, StudyKeys
from storage_service.domain.linking import LinkEntry, LinkOverview


class Links(Protocol):
    """What persons say about where studies belong, inside one transaction."""

    async def order(self, order_id: UUID) -> OrderKeys | None:
        """By what an order can be recognised; None where it is not known."""

    async def newest(self, study_instance_uid: str) -> LinkEntry | None:
        """The newest act on a study."""

    async def add(self, study_instance_uid: str, entry: Callable[[int], LinkEntry]) -> None:
        """Keep an act; it is given the next number of the study, whose lock the caller has."""


class Candidates(Protocol):
    """Orders that a study might belong to, outside of any transaction."""

    async def near(self, study_instance_uid: str) -> tuple[StudyKeys, list[OrderKeys]] | None:
        """What its images say, and the orders that share a number, the patient, or the time and modality with it.

        None where there is no such study.
        """

    async def registered(self, study_instance_uid: str) -> tuple[StudyKeys, Sequence[PatientPhi]] | None:
        """What its images say, and whom the patient's number is of, by all their names.

        None where there is no such study.
        """


class LinkBook(Protocol):
    """The same acts, looked up."""

    async def history(self, study_instance_uid: str) -> list[LinkOverview]:
        """The acts on a study, the first one first."""
