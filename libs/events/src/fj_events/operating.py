"""Facts about what rooms could not do on their own, and what persons did about it. Each room speaks of its own."""

from uuid import UUID

from fj_events.base import Fact, OpenEnum


class WorkKind(OpenEnum):
    """What a room does without being asked."""

    MPPS = "mpps"
    """Passing on what a modality said (IHE RAD-6, RAD-7)."""
    IMAGES = "images"
    """Sending a study on, by C-STORE."""
    AVAILABILITY = "availability"
    """Saying that a study is here (PS3.4 Annex R)."""
    COMMITMENT = "commitment"
    """Telling who asked for storage commitment what became of it (PS3.4 Annex J)."""
    DELIVERY = "delivery"
    """An HL7 message to a destination."""
    REJECTION_NOTE = "rejection_note"
    """Reading a Key Object Selection that may reject images (IHE RAD-66)."""
    SECOND_LOOK = "second_look"
    """Comparing what a study's objects say with what is known now of patient and order."""
    EARLY_CHANGE = "early_change"
    """Doing what a placer wanted of an order before that came."""
    APPOINTMENT = "appointment"
    """Making an appointment of which a scheduling system names no order."""


class _Work(Fact):
    work_id: str
    """Room, kind and the room's own number, `scheduling.mpps.17`: each room counts its own facts."""
    room: str
    kind: WorkKind


class WorkGivenUp(_Work, type="work.given_up.v1", topic="operator-events", key="work_id"):
    """A room has given something up that it does without being asked: a person has to look."""

    destination: str | None = None
    """Whom it was for: an AE title, or the name of a destination."""
    about: str | None = None
    """The Study UID or exam key, where it is about one."""
    reason: str
    address: str
    """Where the room takes what a person says: `repeat` and `cancel` below it."""


class WorkSettledAs(OpenEnum):
    """What a person said, or what made it needless to ask one."""

    REPEATED = "repeated"
    """It is tried again."""
    CANCELLED = "cancelled"
    """Nothing is to be done."""


class WorkSettled(_Work, type="work.settled.v1", topic="operator-events", key="work_id"):
    """Nobody has to look at it, unless it is given up again."""

    settled_as: WorkSettledAs
    reason: str | None = None
    """In the person's words; or why it is tried again without one."""


class _Letter(Fact):
    letter_id: str
    """Room and place on the log, `storage.exam-events.3.4711`."""
    room: str
    """Whose dead letter it was."""
    state: str
    """`dead`, `gap` or `parked`."""
    event_topic: str
    event_key: str | None = None
    """Absent where the record is none of ours."""
    event_id: UUID | None = None
    event_type: str | None = None
    sequence: int | None = None
    error: str | None = None
    """The class of the failure."""
    reason: str | None = None
    """In the person's words."""


class LetterReplayed(_Letter, type="letter.replayed.v1", topic="operator-events", key="letter_id"):
    """A person, `actor`, had a dead letter handled again by the room that could not; for a gap: accepted it."""


class LetterDropped(_Letter, type="letter.dropped.v1", topic="operator-events", key="letter_id"):
    """A person, `actor`, gave a fact up for good in one room: what it says has had no effect there."""
