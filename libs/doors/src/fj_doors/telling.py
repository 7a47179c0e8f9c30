"""Refused messages as facts, so that a person sees them on the exceptions list; and which were read again."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from fj_bus import Tx
from fj_events import MessageError, MessageRefused, MessageReread, MessageSettled, SettledAs
from fj_hl7 import Key, Message, Outcome, Receipt
from fj_hl7.receipt import UNREADABLE
from fj_runtime import Sites

from fj_doors.senders import site_of

_KIND: Final = re.compile(r"[A-Z0-9]{2,4}\^[A-Z0-9]{0,4}")
_MAX_NAME: Final = 64


def message_id(room: str, key: Key) -> str:
    """The key of facts about a message at this room's door."""
    return f"{room}.{key.digest.hex()}"


def address(room: str, key: Key) -> str:
    """Where the room shows a message to those who may see it."""
    return f"/api/{room}/messages/{key.digest.hex()}?control_id={quote(key.control_id, safe='')}"


@dataclass(frozen=True, slots=True)
class Teller:
    """Watches the door of a room (`fj_hl7.Watch`)."""

    room: str
    sites: Sites

    def refused(self, unit: Tx, receipt: Receipt, outcome: Outcome) -> None:
        """A message was refused, or refused for another reason than before, or tried again by a person in vain."""
        key = receipt.key
        application, _, facility = key.sender.partition("\t")
        known = receipt.kind == UNREADABLE or _KIND.fullmatch(receipt.kind)
        fact = MessageRefused(
            site=self._site(outcome.first),
            actor=receipt.actor,
            message_id=message_id(self.room, key),
            room=self.room,
            kind=receipt.kind if known else "other",
            control_id=key.control_id,
            application=application[:_MAX_NAME],
            facility=facility[:_MAX_NAME],
            code=outcome.code.value,
            errors=tuple(
                MessageError(
                    code=error.code.value,
                    segment=error.segment or None,
                    sequence=error.sequence or None,
                    field=error.field or None,
                )
                for error in outcome.errors
            ),
            address=address(self.room, key),
        )
        unit.emit(fact)

    def accepted(self, unit: Tx, receipt: Receipt, message: Message) -> None:
        """A message that had been refused was taken."""
        unit.emit(self._settled(receipt.key, SettledAs.ACCEPTED, self._site(message), actor=receipt.actor))

    def reread(self, unit: Tx, receipt: Receipt, message: Message, reason: str) -> None:
        """A person had read again what had been taken."""
        key = receipt.key
        application, _, facility = key.sender.partition("\t")
        fact = MessageReread(
            site=self._site(message),
            actor=receipt.actor,
            message_id=message_id(self.room, key),
            room=self.room,
            kind=receipt.kind,
            control_id=key.control_id,
            application=application[:_MAX_NAME],
            facility=facility[:_MAX_NAME],
            reason=reason,
            address=address(self.room, key),
        )
        unit.emit(fact)

    def dismissed(self, unit: Tx, key: Key, site: str, reason: str | None) -> None:
        """A person, whose name the unit has, says that nothing is to be done."""
        unit.emit(self._settled(key, SettledAs.DISMISSED, site, reason=reason))

    def _settled(
        self, key: Key, settled_as: SettledAs, site: str, *, actor: str | None = None, reason: str | None = None
    ) -> MessageSettled:
        return MessageSettled(
            site=site,
            actor=actor,
            message_id=message_id(self.room, key),
            room=self.room,
            settled_as=settled_as,
            reason=reason,
        )

    def _site(self, message: Message | None) -> str:
        return site_of(message, self.sites).name if message is not None else self.sites.main.name
