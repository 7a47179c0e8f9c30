"""By what a fact names its exam."""

from dataclasses import dataclass
from uuid import UUID

from fj_events import Fact


@dataclass(frozen=True, slots=True)
class Refs:
    """The order, the studies and the key that a fact names. They belong to one exam."""

    order_id: UUID | None
    names: tuple[str, ...]
    """Order id, Study Instance UIDs, exam key: each once, the order first."""


def refs_of(fact: Fact) -> Refs:
    """The names of the fact's exam; none for a fact about something else (a patient).

    The Study UID of an order's own facts is what it planned, not what was made: images join an order by being matched.
    A report, and what was told of it, keeps the key of its study wherever a person moves that: where it has an order,
    it is the order's alone.
    """
    order_id: UUID | None = getattr(fact, "order_id", None)
    names: list[str] = [str(order_id)] if order_id else []
    if fact.topic != "order-events":
        single: str | None = getattr(fact, "study_instance_uid", None)
        many: tuple[str, ...] = getattr(fact, "study_instance_uids", ())
        planned = fact.topic in {"exam-events", "report-events"} and order_id is not None
        names += [] if planned else [uid for uid in (single, *many) if uid]
        key: str | None = getattr(fact, "exam_key", None)
        moved = fact.topic in {"report-events", "delivery-events"} and order_id is not None
        names += [] if moved or not key else [key]
    return Refs(order_id, tuple(dict.fromkeys(names)))
