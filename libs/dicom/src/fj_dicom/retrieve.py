"""C-GET and C-MOVE as SCP (PS3.4 sections C.4.2, C.4.3): the sub-operations, counted."""

import queue
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol

import structlog
from pydicom import Dataset

from fj_dicom.command import CommandField, Counts
from fj_dicom.errors import AssociationLost
from fj_dicom.messages import Answer, Incoming, Request
from fj_dicom.requestor import NotAssociated, Remote, RequestorSettings, requested, stored_contexts
from fj_dicom.sender import Outgoing, Sender
from fj_dicom.services import UNCOMPRESSED, Channel, Stateless, take_whole
from fj_dicom.status import CANCEL, OK, Retrieve, Status

_FAILED_UIDS: Final = 0x00080058
_SHARES: Final = 4
"""Each association of a C-MOVE takes so many shares of the work, that the last to finish is not late by much."""
_SIGN_OF_LIFE_S: Final = 5.0
"""A requestor hears of a C-MOVE at least so often, however long one instance takes."""
_LOOK_S: Final = 0.1
"""How often a requestor hears how far it is, and a C-MOVE is looked at for a cancel."""

log = structlog.get_logger(__name__)


class Result(Enum):
    """How a sub-operation ended."""

    COMPLETED = "completed"
    WARNING = "warning"
    FAILED = "failed"


class Supply(Protocol):
    """The data sets of some instances, one after the other; used from one thread."""

    def __iter__(self) -> Iterator[tuple[Outgoing, "Data | None"]]:
        """Each instance and its data set; None where it cannot be read."""

    def close(self) -> None:
        """Nothing more is needed."""


class Data(Protocol):
    """The data set of an instance."""

    def fitting(self, accepted: Sequence[str]) -> tuple[str, Iterable[bytes | memoryview]] | None:
        """A transfer syntax of these and the bytes in it; None where it cannot be had in any of them."""


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What a request asks for."""

    instances: Sequence[Outgoing]
    read: Callable[[Sequence[Outgoing]], Supply]
    """Begin to read some of them, in the order that is best; for any thread."""


@dataclass(frozen=True, slots=True)
class Move:
    """A retrieval, and where it goes."""

    retrieval: Retrieval
    destination: Remote
    associations: int = 1
    """At once, at most."""


GetHandler = Callable[[Request], Awaitable[Retrieval]]
MoveHandler = Callable[[Request], Awaitable[Move]]
"""Raises Refused with a status of `fj_dicom.status.Retrieve` where the request cannot be performed."""


@dataclass(slots=True)
class Tally:
    """The sub-operations of one request."""

    total: int
    completed: int = 0
    warning: int = 0
    failed: list[str] = field(default_factory=list)

    def add(self, uid: str, result: Result) -> None:
        """One has ended."""
        if result is Result.COMPLETED:
            self.completed += 1
        elif result is Result.WARNING:
            self.warning += 1
        else:
            self.failed.append(uid)

    def add_all(self, ended: Iterable[tuple[str, Result]]) -> None:
        """These have ended."""
        for uid, result in ended:
            self.add(uid, result)

    @property
    def remaining(self) -> int:
        """How many have not ended."""
        return self.total - self.completed - self.warning - len(self.failed)

    def counts(self, *, final: bool = False) -> Counts:
        """As they are answered."""
        return Counts(None if final else self.remaining, self.completed, len(self.failed), self.warning)

    def answer(self, *, cancelled: bool, comment: str = "") -> Answer:
        """The final answer (PS3.4 C.4.2.1.4, C.4.3.1.4)."""
        if cancelled:
            status = Status(CANCEL)
        elif self.failed and not self.completed and not self.warning:
            status = Status(Retrieve.OUT_OF_RESOURCES_SUB_OPERATIONS, comment or "no instance could be sent")
        elif self.failed or self.warning:
            status = Status(Retrieve.SUB_OPERATIONS_FAILED, comment)
        else:
            status = OK
        identifier = None
        if self.failed:
            identifier = Dataset()
            identifier.add_new(_FAILED_UIDS, "UI", self.failed)
        return Answer(status, identifier, counts=self.counts(final=not cancelled))


class GetService(Stateless):
    """C-GET of one information model; `storage` are the SOP classes that can be sent, and how."""

    def __init__(
        self, sop_class: str, handler: GetHandler, storage: Mapping[str, Sequence[str]], options: bytes
    ) -> None:
        super().__init__(sop_class, UNCOMPRESSED, CommandField.C_GET)
        self.returned = storage
        self.extended = {sop_class: options}
        self._handler = handler

    def perform(self, incoming: Incoming, channel: Channel) -> None:
        """Send the instances on this same association."""
        retrieval = channel.wait_for(self._handler, take_whole(incoming))
        tally = Tally(len(retrieval.instances))
        sender = channel.sender(incoming)
        said = 0.0
        with ExitStack() as stack:
            supply = retrieval.read(retrieval.instances)
            stack.callback(supply.close)
            for instance, data in supply:
                tally.add(instance.sop_instance_uid, stored(sender, instance, data))
                sender.cancelled = sender.cancelled or channel.cancelled(incoming)
                if sender.cancelled:
                    break
                if tally.remaining and time.monotonic() - said > _LOOK_S:
                    channel.progress(incoming, tally.counts(), now=False)
                    said = time.monotonic()
        channel.answer(incoming, tally.answer(cancelled=sender.cancelled and tally.remaining > 0))


class MoveService(Stateless):
    """C-MOVE of one information model, to destinations that the handler knows."""

    def __init__(self, sop_class: str, handler: MoveHandler, caller: RequestorSettings, options: bytes) -> None:
        super().__init__(sop_class, UNCOMPRESSED, CommandField.C_MOVE)
        self.extended = {sop_class: options}
        self._handler = handler
        self._caller = caller

    def perform(self, incoming: Incoming, channel: Channel) -> None:
        """Send the instances on associations of our own."""
        move = channel.wait_for(self._handler, take_whole(incoming))
        originator = (incoming.caller.ae_title, incoming.command.message_id)
        carriers = _Carriers(move, self._caller, originator)
        tally = Tally(len(move.retrieval.instances))
        cancelled = False
        said = time.monotonic()
        try:
            while not cancelled and not carriers.finished.wait(_LOOK_S):
                tally.add_all(ended := carriers.results())
                cancelled = channel.cancelled(incoming)
                now = time.monotonic()
                if not cancelled and (ended or now - said > _SIGN_OF_LIFE_S):
                    channel.progress(incoming, tally.counts())
                    said = now
        finally:
            carriers.stop()
        tally.add_all(carriers.results())
        channel.answer(incoming, tally.answer(cancelled=cancelled and tally.remaining > 0, comment=carriers.trouble))


def deliver(move: Move, caller: RequestorSettings, stopping: threading.Event) -> tuple[list[tuple[str, Result]], str]:
    """Send instances of our own accord, from a thread: how each ended, and what was wrong with associations.

    When `stopping` is set, nothing is begun any more.
    """
    carriers = _Carriers(move, caller)
    while not carriers.finished.wait(_LOOK_S) and not stopping.is_set():
        pass
    carriers.stop()
    return carriers.results(), carriers.trouble


class _Carriers:
    """The associations of one C-MOVE, each in a thread; they share the work."""

    def __init__(self, move: Move, settings: RequestorSettings, originator: tuple[str, int] | None = None) -> None:
        self._move = move
        self._settings = settings
        self._originator = originator
        self._shares: queue.SimpleQueue[Sequence[Outgoing]] = queue.SimpleQueue()
        self._ended: queue.SimpleQueue[tuple[str, Result]] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self.finished = threading.Event()
        """All associations have ended, and every instance has its result unless they were stopped."""
        self.trouble = ""
        """Why associations could not be used, in words."""
        instances = move.retrieval.instances
        number = max(1, min(move.associations, len(instances)))
        size = len(instances) if number == 1 else -(-len(instances) // (number * _SHARES))
        for start in range(0, len(instances), max(size, 1)):
            self._shares.put(instances[start : start + size])
        self._working = number
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._carry, name="move", daemon=True) for _ in range(number)]
        for thread in self._threads:
            thread.start()

    def results(self) -> list[tuple[str, Result]]:
        """Those that have ended since the last call."""
        ended: list[tuple[str, Result]] = []
        try:
            while True:
                ended.append(self._ended.get_nowait())
        except queue.Empty:
            return ended

    def stop(self) -> None:
        """After the instances at hand; returns when all have stopped."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _carry(self) -> None:
        """One association. What it cannot do is left to the others, and is failed by the last of them."""
        left: list[Outgoing] = []
        try:
            instances = self._move.retrieval.instances
            contexts = stored_contexts((one.sop_class_uid, one.transfer_syntax_uid) for one in instances)
            with requested(self._move.destination, self._settings, contexts) as association:
                while not self._stopping.is_set() and (share := self._next()):
                    left.extend(share)
                    self._send(association.sender, left)
        except (NotAssociated, AssociationLost) as reason:
            self.trouble = str(reason)
            log.warning("move association ended", destination=self._move.destination.ae_title, reason=str(reason))
        except Exception as error:  # noqa: BLE001 - whatever it is, the requestor has to hear of an end
            log.warning("move failed", destination=self._move.destination.ae_title, error=type(error).__name__)
        finally:
            self._leave(left)

    def _next(self) -> Sequence[Outgoing]:
        try:
            return self._shares.get_nowait()
        except queue.Empty:
            return ()

    def _send(self, sender: Sender, left: list[Outgoing]) -> None:
        """Send them, each taken from the list when it has ended."""
        supply = self._move.retrieval.read(tuple(left))
        try:
            for instance, data in supply:
                result = Result.FAILED
                try:
                    result = stored(sender, instance, data, self._originator)
                finally:
                    left.remove(instance)
                    self._ended.put((instance.sop_instance_uid, result))
                if self._stopping.is_set():
                    return
        finally:
            supply.close()

    def _leave(self, left: Sequence[Outgoing]) -> None:
        if left:
            self._shares.put(left)
        with self._lock:
            self._working -= 1
            last = not self._working
        while last and not self._stopping.is_set() and (share := self._next()):
            for instance in share:
                self._ended.put((instance.sop_instance_uid, Result.FAILED))
        if last:
            self.finished.set()


def stored(
    sender: Sender, instance: Outgoing, data: Data | None, move_originator: tuple[str, int] | None = None
) -> Result:
    """Send one instance in what the peer takes. Raises AssociationLost."""
    found = data.fitting(sender.accepted(instance.sop_class_uid)) if data else None
    if found is None:
        return Result.FAILED
    syntax, pieces = found
    status = sender.store(Outgoing(instance.sop_class_uid, instance.sop_instance_uid, syntax), pieces, move_originator)
    if status.code == OK.code:
        return Result.COMPLETED
    # Warnings of C-STORE (PS3.4 table B.2-1, PS3.7 C.3).
    is_warning = status.code & 0xF000 == 0xB000 or status.code in {0x0001, 0x0107, 0x0116}
    return Result.WARNING if is_warning else Result.FAILED
