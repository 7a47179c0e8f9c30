"""The keeper behind a door: kept messages are found, opened, tried again and dismissed, each act with its name."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from fj_bus import Bus, Tx
from fj_hl7 import AckCode, Archive, BadMessage, Came, Intake, Kept, Ledger, Opened, Outcome, Profiles, Seal, Search
from fj_runtime import Sites

from fj_doors.senders import site_of
from fj_doors.telling import Teller

_log = structlog.get_logger("fj_doors")


class Taking(Protocol):
    """A door, as far as it is given one message again."""

    async def take(self, raw: bytes, peer: str, actor: str | None = None) -> Outcome: ...

    async def reread(self, came: Came, received_at: datetime, reason: str) -> Outcome: ...


class NotTaken(Exception):
    """A message that was refused is tried again; read again is what was taken."""

    def __init__(self) -> None:
        super().__init__("this message was refused: it can be tried again")


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of a message that was tried again."""

    kept: Kept
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Keeper:
    """Of one room."""

    room: str
    unit: Callable[..., AbstractAsyncContextManager[Tx]]
    archive: Archive
    ledger: Ledger
    teller: Teller
    profiles: Profiles

    @classmethod
    def of(cls, bus: Bus, sites: Sites, profiles: Profiles, seal: Seal, keep: timedelta) -> "Keeper":
        """That of the service whose bus it is."""
        return cls(bus.service, bus.unit, Archive(seal), Ledger(seal, keep), Teller(bus.service, sites), profiles)

    @property
    def intake(self) -> Intake[Tx]:
        """By what the room's door takes messages."""
        return Intake(self.ledger, self.profiles, self.teller)

    async def find(self, search: Search, *, refused_only: bool) -> list[Kept]:
        async with self.unit() as tx:
            return await self.archive.find(tx.connection, search, refused_only=refused_only)

    async def look(self, control_id: str, digest: bytes, actor: str) -> Opened | None:
        """One message with its content. That somebody looked is written down before it is shown."""
        return await self._open(control_id, digest, actor, "looked")

    async def try_again(self, control_id: str, digest: bytes, actor: str, door: Taking) -> Tried | None:
        """One message through the door once more, by today's profiles.

        What was accepted before is known to the ledger and has no second effect. Whatever else becomes of it is told
        with the name of who did it, also where it is refused as it was before.
        """
        opened = await self._open(control_id, digest, actor, "tried again")
        if opened is None:
            return None
        return Tried(opened.kept, await door.take(opened.raw, opened.kept.peer, actor))

    async def read_again(self, control_id: str, digest: bytes, actor: str, reason: str, door: Taking) -> Tried | None:
        """What was taken, but understood wrongly, once more by today's profiles. Raises NotTaken.

        What the door then does and says is told with the name of who did it, and why.
        """
        opened = await self._open(control_id, digest, actor, "read again")
        if opened is None:
            return None
        kept = opened.kept
        if kept.code != AckCode.AA:
            raise NotTaken
        return Tried(kept, await door.reread(Came(opened.raw, kept.peer, actor), kept.received_at, reason))

    async def try_all(self, search: Search, actor: str, door: Taking) -> list[Tried]:
        """Refused messages that nobody has settled, one after the other, in the order in which they came."""
        async with self.unit() as tx:
            waiting = await self.archive.waiting(tx.connection, search)
        tried = [await self.try_again(kept.key.control_id, kept.key.digest, actor, door) for kept in waiting]
        return [each for each in tried if each is not None]

    async def dismiss(self, control_id: str, digest: bytes, actor: str, reason: str | None) -> bool:
        """Nothing is to be done about a refused message. False: none waits under this name."""
        opened = await self._open(control_id, digest, actor, "dismissed")
        if opened is None:
            return False
        async with self.unit(actor) as tx:
            settled = await self.ledger.settle(tx.connection, opened.kept.key, actor)
            if settled:
                self.teller.dismissed(tx, opened.kept.key, self._site(opened.raw), reason)
        return settled

    async def _open(self, control_id: str, digest: bytes, actor: str, act: str) -> Opened | None:
        async with self.unit() as tx:
            opened = await self.archive.open(tx.connection, control_id, digest)
            if opened is not None:
                await self.archive.note(tx.connection, actor, act, [opened.kept.key])
                _log.info("hl7 message opened", action=act.replace(" ", "-"), called=actor, kind=opened.kept.kind)
        return opened

    def _site(self, raw: bytes) -> str:
        try:
            return site_of(self.profiles.read(raw), self.teller.sites).name
        except BadMessage:
            return self.teller.sites.main.name
