"""Facts about HL7 messages that a door could not take, or took wrongly. Each room speaks of those at its own door."""

from fj_events.base import Fact, OpenEnum, Part


class MessageError(Part):
    """One thing that was wrong with a message, and where (HL7 v2.5.1 ch. 2.15.5 ERR)."""

    code: str
    """HL7 table 0357."""
    segment: str | None = None
    sequence: int | None = None
    field: int | None = None


class MessageRefused(Fact, type="message.refused.v1", topic="message-events", key="message_id"):
    """A message was answered AE or AR; its bytes are kept at the door, to be looked at and tried again."""

    message_id: str
    """Room and SHA-256 of the bytes, `order.9f86…`: each room counts its own facts."""
    room: str
    kind: str
    """MSH-9, as `ORM^O01`; `unreadable`, or `other` where it is none."""
    control_id: str
    """MSH-10."""
    application: str
    """MSH-3, the sending application."""
    facility: str
    """MSH-4, the sending facility."""
    code: str
    """MSA-1 of the answer."""
    errors: tuple[MessageError, ...] = ()
    address: str
    """Where the room shows it to those who may see it, and tries it again."""


class SettledAs(OpenEnum):
    """How a refused message ceased to be one."""

    ACCEPTED = "accepted"
    """The same bytes were taken: sent again, or tried again."""
    DISMISSED = "dismissed"
    """A person says that nothing is to be done."""


class MessageSettled(Fact, type="message.settled.v1", topic="message-events", key="message_id"):
    """A refused message needs nobody any more."""

    message_id: str
    room: str
    settled_as: SettledAs
    reason: str | None = None


class MessageReread(Fact, type="message.reread.v1", topic="message-events", key="message_id"):
    """A person had a message read again that had been taken: its sender's profile had been wrong.

    What came of it are facts of their own, with that person as `actor`; where nothing is newer in it, there are none.
    """

    message_id: str
    room: str
    kind: str
    control_id: str
    application: str
    facility: str
    reason: str
    address: str
    """Where the room shows it to those who may see it."""
