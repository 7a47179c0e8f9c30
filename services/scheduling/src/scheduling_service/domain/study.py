"""What is known so far about a study, folded from the facts of `storage` in whatever order they come."""

from uuid import UUID

from fj_events import SeriesSummary, StudyAvailable, StudyMatched, StudyReceived, StudyRelinked, Uid
from pydantic import BaseModel, ConfigDict


class Study(BaseModel):
    """A study as images: which order it belongs to, whether it is here, whether it is complete."""

    model_config = ConfigDict(frozen=True)

    study_instance_uid: Uid
    order_id: UUID | None = None
    received: bool = False
    available: bool = False
    station_ae_title: str | None = None
    modality: str | None = None
    series: tuple[SeriesSummary, ...] = ()
    number_of_instances: int = 0
    left: frozenset[UUID] = frozenset()
    """Orders off which it was taken, and to which nobody and nothing has brought it back."""
    by_person: bool = False
    """A person said to which order it belongs, and so that it belongs to no other one."""


def received(study: Study, fact: StudyReceived) -> Study:
    """Its first images are stored."""
    return study.model_copy(
        update={
            "order_id": study.order_id or fact.order_id,
            "received": True,
            "station_ae_title": fact.station_ae_title,
            "modality": study.modality or next(iter(fact.modalities), None),
        }
    )


def matched(study: Study, fact: StudyMatched) -> Study:
    """It belongs to an order. A match means that there are images; it may bring them back (a merge made again)."""
    left = study.left - {fact.order_id}
    return study.model_copy(update={"order_id": fact.order_id, "received": True, "left": left, "by_person": False})


def relinked(study: Study, fact: StudyRelinked) -> Study:
    """A person said to which order it belongs, or that it belongs to none."""
    left = (study.left | {fact.previous_order_id}) - {fact.order_id, None}
    now = {"order_id": fact.order_id, "received": True, "left": left, "by_person": fact.order_id is not None}
    return study.model_copy(update=now)


def available(study: Study, fact: StudyAvailable) -> Study:
    """It is complete."""
    return study.model_copy(
        update={
            "order_id": study.order_id or fact.order_id,
            "received": True,
            "available": True,
            "modality": study.modality or next(iter(fact.modalities), None),
            "series": fact.series,
            "number_of_instances": fact.number_of_instances,
        }
    )
