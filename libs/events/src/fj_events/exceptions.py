"""Facts about the exceptions list. Owner: `portal`."""

from uuid import UUID

from fj_events.base import Fact


class _Entry(Fact):
    exception_id: UUID
    """The fact that put it on the list."""
    kind: str
    """As the list has it: `unknown patient`."""
    about: tuple[str, ...]
    """What it is about, as their keys: a patient, a study, an exam; of a duplicate accession number all its exams."""
    reason: str
    """In the person's words."""


class ExceptionDismissed(_Entry, type="exception.dismissed.v1", topic="exception-events", key="exception_id"):
    """A person, `actor`, has looked at an entry of the exceptions list: nothing is to be done. Nothing else follows."""


class ExceptionRestored(_Entry, type="exception.restored.v1", topic="exception-events", key="exception_id"):
    """A person, `actor`, put a dismissed entry back on the list."""
