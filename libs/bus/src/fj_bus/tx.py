"""The one transaction of a message or a command, as its handler sees it."""

from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from fj_events import Envelope, Fact

from fj_bus.work import B, Work, lock_of

if TYPE_CHECKING:
    from fj_bus.postgres import Connection


class Tx:
    """What a handler does inside its transaction. Commit and acknowledgement happen outside of it.

    The facts of a slice share a transaction: each has its own Tx with its own `cause`, all have one connection.
    """

    __slots__ = ("_actor", "_emits", "_work", "cause", "connection")

    def __init__(self, work: Work, cause: Envelope | None, actor: str | None = None, *, emits: bool = True) -> None:
        self.connection: Connection = work.connection
        """Inside the transaction. Do not commit, roll back or keep it."""
        self.cause = cause
        """The envelope of the fact that is handled; None in a command."""
        self._work = work
        self._actor = actor
        self._emits = emits

    def emit(self, fact: Fact) -> UUID:
        """State a fact: it takes its key's next number and enters the outbox when this transaction ends.

        Returns the id that the fact will have on the log. A fact without an actor gets that of the unit. While a
        rebuild is on, nothing is emitted. Raises NotAProducer, BadKey, fj_events.TooBig.
        """
        if not self._emits:
            return uuid4()
        if self._actor is not None and fact.actor is None:
            fact = fact.model_copy(update={"actor": self._actor})
        return self._work.emit(fact, self.cause)

    @property
    def emits(self) -> bool:
        """False while a rebuild is on: then only projections may be written, nothing that tells somebody something."""
        return self._emits

    def afterwards(self, call: Callable[[], None]) -> None:
        """Call this once the transaction has committed: a hint to whoever waits. Not called if the process dies."""
        self._work.afterwards.append(call)

    def wake(self, kind: str, id: str) -> None:  # noqa: A002 - the name that the caller's sentence wants
        """What was missing is here: the facts that were parked for it go on after the commit."""
        self._work.wakes.add((kind, id))

    async def lock(self, kind: str, id: str) -> None:  # noqa: A002 - the name that the caller's sentence wants
        """Take turns with all transactions that lock the same thing, until the commit; what they wrote is seen after.

        For a handler that joins facts of two topics: without it, two that run side by side each miss the other's row.
        """
        await self.connection.execute("SELECT pg_advisory_xact_lock($1)", lock_of("turn", kind, id))

    def batch(self, make: Callable[[], B]) -> B:
        """The object that all handlers of this transaction share, made at the first call.

        Its `flush(connection)` runs once before the commit: a hot port collects rows there and writes them in one
        statement, instead of one per fact.
        """
        return self._work.batch(make)
