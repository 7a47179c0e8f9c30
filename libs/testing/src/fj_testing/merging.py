"""Merges and links of patients as `patient` states them, orders that go with a visit, and the rooms that follow."""

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from fj_events import (
    FormerHolder,
    Identifier,
    LinkBasis,
    OrderChanged,
    OrderPlaced,
    PatientLinked,
    PatientMerged,
    PatientPhi,
    PatientUnlinked,
    PatientUnmerged,
    Source,
)

from fj_testing.log import Log

_SAID: Final[Any] = {"site": "MAIN", "basis": LinkBasis.MESSAGE, "reason": "the registration system said so"}


def merged(
    number: tuple[UUID, PatientPhi],
    survivor: tuple[UUID, PatientPhi],
    until: datetime | None = None,
    *earlier: FormerHolder,
) -> PatientMerged:
    """What is known under this number is the survivor's from now on, and was of these before."""
    return PatientMerged(
        site="MAIN",
        patient_id=number[0],
        survivor_id=survivor[0],
        until=until,
        merged_at=datetime.now(UTC),
        source=Source.HL7,
        patient=number[1],
        survivor=survivor[1],
        earlier=earlier,
    )


def unmerged(fact: PatientMerged) -> PatientUnmerged:
    """The number stands for itself again."""
    return PatientUnmerged(
        site=fact.site,
        patient_id=fact.patient_id,
        survivor_id=fact.survivor_id,
        reason="the merge was a mistake",
        patient=fact.patient,
    )


def joined(*numbers: UUID) -> list[PatientLinked]:
    """These numbers stand for one person from now on, each stays in use."""
    return [PatientLinked(patient_id=each, enterprise_id=min(numbers), **_SAID) for each in numbers]


def parted(*numbers: UUID) -> list[PatientUnlinked]:
    """Each of these numbers stands for itself alone again."""
    return [PatientUnlinked(patient_id=each, enterprise_id=each, **_SAID) for each in numbers]


def person(number: str, family_name: str) -> PatientPhi:
    """Somebody with a number of MAIN."""
    return PatientPhi(id=Identifier(value=number, issuer="MAIN"), family_name=family_name)


def moved_with(visit_id: UUID, order: OrderPlaced, to: tuple[UUID, PatientPhi]) -> OrderChanged:
    """The order went to this patient with its visit."""
    state = {name: getattr(order, name) for name in OrderChanged.model_fields.keys() & OrderPlaced.model_fields}
    whose = {"patient_id": to[0], "patient": to[1], "changed": ("patient_id", "patient"), "moved_with": visit_id}
    return OrderChanged(**{**state, **whose})


async def has_followed(log: Log, room: str, fact_id: UUID, count: int = 1) -> list[str]:
    """Whose the number is, as the room says after it has followed this fact."""
    records = await log.wait_for(
        "follower-events",
        where=lambda r: r.key.startswith(f"{room}.") and r.headers.get("ce_causationid") == str(fact_id),
        count=count,
        within=20,
    )
    return [record.body["survivor_id"] for record in records]


async def has_followed_link(log: Log, room: str, fact_id: UUID) -> UUID:
    """Which person the number stands for, as the room says once after it has followed this fact."""
    [record] = await log.wait_for(
        "follower-events",
        where=lambda r: r.type == "patient.link_followed.v1" and r.headers.get("ce_causationid") == str(fact_id),
        within=20,
    )
    assert record.body["room"] == room
    return UUID(record.body["enterprise_id"])


async def visits_followed(log: Log, room: str, fact_id: UUID) -> list[str]:
    """The visits whose move a room has followed, as it says after this fact of an order."""
    records = await log.wait_for(
        "follower-events",
        where=lambda r: r.type == "patient.visit_followed.v1" and r.headers.get("ce_causationid") == str(fact_id),
        within=20,
    )
    assert {record.body["room"] for record in records} == {room}
    return [record.body["visit_id"] for record in records]
