"""Facts about what AI tasks and rules found. Owner: `triage`."""

from uuid import UUID

from fj_events.base import Fact
from fj_events.terms import Identifier, Uid
from fj_events.vocabulary import Priority


class PriorityRaised(Fact, type="finding.priority_raised.v1", topic="finding-events", key="study_instance_uid"):
    """A task wants a study read sooner; the reason and the task that gave it stand here (law 9)."""

    study_instance_uid: Uid
    order_id: UUID | None = None
    accession_number: Identifier | None = None
    task: str
    """Which task of triage."""
    rule: str
    """Which rule of that task."""
    priority: Priority
    previous: Priority
    reason: str
