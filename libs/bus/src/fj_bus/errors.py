"""What a handler raises to say what shall become of its fact, and what the bus itself raises."""

from typing import ClassVar


class Stranger(Exception):
    """The fact refers to something that is not here yet: park it until `tx.wake(kind, id)`.

    `kind` and `id` are identifiers of ours (`"order"`, an order id), never what a person is called.
    """

    phi_free: ClassVar[bool] = True

    def __init__(self, kind: str, id: str) -> None:  # noqa: A002 - the name that the caller's sentence wants
        super().__init__(f"{kind} {id} is not known yet")
        self.kind = kind
        self.id = id


class Permanent(Exception):
    """No repetition can help: the fact becomes a dead letter now."""


class Transient(Exception):
    """The fact is good and the world is not: repeat with backoff, for as long as it takes."""


class BusError(Exception):
    """What is wrong with a use of the bus. The text is for operators and free of PHI."""

    phi_free: ClassVar[bool] = True


class NotAProducer(BusError):
    """A service emitted a fact of a topic whose YAML does not name it as a producer."""


class NotAConsumer(BusError):
    """A service subscribed to a fact of a topic whose YAML does not name it as a consumer."""


class BadKey(BusError):
    """A key that is empty, too long or not printable ASCII: keys stand in headers and metrics of others."""


class TopicMismatch(BusError):
    """A topic on the broker has another number of partitions than its YAML says."""


class BadAccess(BusError):
    """What FJ_KAFKA_… says of security does not fit together, or a file of it cannot be read."""


class NoSuchDeadLetter(BusError):
    """The dead letter is not there (any more)."""


class ConsumersRunning(BusError):
    """A rebuild needs the consumers of its group to be stopped."""
