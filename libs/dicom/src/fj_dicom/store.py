"""C-STORE as SCP (PS3.4 Annex B), streaming: the data set is never decoded, nor kept in memory as a whole."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from fj_dicom.command import CommandField
from fj_dicom.messages import Answer, Caller, Incoming
from fj_dicom.services import Channel, Session
from fj_dicom.status import Status


class Sink(Protocol):
    """Takes one data set. Every method may raise Refused; nothing of the data set is kept then."""

    def write(self, *pieces: memoryview) -> None:
        """The next bytes, valid during the call only."""

    def finish(self) -> Status:
        """The data set is complete. Returns when it is durable."""

    def abandon(self) -> None:
        """The data set will not be completed. Also called after any method has raised; must not raise."""


class Receiver(Protocol):
    """Takes the data sets of one association, one after the other."""

    def begin(self, incoming: Incoming) -> Sink:
        """A C-STORE has begun."""

    def close(self) -> None:
        """The association is over."""


class Storage(Protocol):
    """Opens a receiver for each association."""

    def receiver(self, caller: Caller) -> Receiver:
        """An association that may store has been accepted."""


class StoreService:
    """C-STORE of many SOP classes into a `Storage`."""

    commands: frozenset[int] = frozenset({CommandField.C_STORE})
    extended: Mapping[str, bytes] = MappingProxyType({})
    returned: Mapping[str, Sequence[str]] = MappingProxyType({})

    def __init__(self, contexts: Mapping[str, Sequence[str]], storage: Storage) -> None:
        self.contexts = contexts
        self._storage = storage

    def session(self, caller: Caller) -> Session:
        """The association's own receiver."""
        return _StoreSession(self._storage.receiver(caller))


class _StoreSession:
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def perform(self, incoming: Incoming, channel: Channel) -> None:
        sink = self._receiver.begin(incoming)
        finished = False
        try:
            for pieces in incoming.fragments:
                sink.write(*pieces)
            status = sink.finish()
            finished = True
        finally:
            if not finished:
                sink.abandon()
        channel.answer(incoming, Answer(status))

    def close(self) -> None:
        self._receiver.close()
