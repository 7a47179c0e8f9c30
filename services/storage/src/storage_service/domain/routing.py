"""Who is sent which studies: the rules of `FJ_ROUTES`."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase

from storage_service.domain.commitment import pause


class SendKind(StrEnum):
    """What a destination gets."""

    INSTANCES = "INSTANCES"
    """The instances, by C-STORE."""
    AVAILABILITY = "AVAILABILITY"
    """Instance Availability Notification, by N-CREATE (PS3.4 Annex R)."""


class SendState(StrEnum):
    """Of what is to be sent."""

    WAITING = "WAITING"
    SENT = "SENT"
    FAILED = "FAILED"
    """Tried for days; an operator may have it tried again."""
    CANCELLED = "CANCELLED"
    """By an operator."""


@dataclass(frozen=True, slots=True)
class Routable:
    """What rules can ask about a study."""

    study_instance_uid: str
    site: str
    modalities: tuple[str, ...]
    description: str
    calling_ae_title: str
    """Of its first instance; empty where it came by another way."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Studies that fit go to these AE titles. A condition that is absent fits every study."""

    name: str
    destinations: tuple[str, ...]
    sites: frozenset[str] = frozenset()
    modalities: frozenset[str] = frozenset()
    calling_ae_titles: frozenset[str] = frozenset()
    descriptions: tuple[str, ...] = ()
    """Patterns with `*` and `?`; case does not matter."""

    def fits(self, study: Routable) -> bool:
        """Whether every condition holds."""
        description = study.description.casefold()
        return (
            (not self.sites or study.site in self.sites)
            and (not self.modalities or not self.modalities.isdisjoint(study.modalities))
            and (not self.calling_ae_titles or study.calling_ae_title in self.calling_ae_titles)
            and (not self.descriptions or any(fnmatchcase(description, one.casefold()) for one in self.descriptions))
        )


@dataclass(frozen=True, slots=True)
class Routes:
    """All rules, and whom every study is announced to."""

    rules: tuple[Rule, ...] = ()
    notified: tuple[str, ...] = ()
    """AE titles that want to know when a study is available."""

    def of(self, study: Routable) -> list[tuple[str, SendKind, str]]:
        """Destination, what it gets, and why; each once. Nobody is sent what they sent."""
        found: dict[str, str] = {}
        for rule in self.rules:
            if rule.fits(study):
                for destination in rule.destinations:
                    if destination != study.calling_ae_title:
                        found.setdefault(destination, f"rule {rule.name}")
        sends = [(destination, SendKind.INSTANCES, why) for destination, why in found.items()]
        return sends + [(title, SendKind.AVAILABILITY, "wants notification") for title in self.notified]


@dataclass(frozen=True, slots=True)
class Send:
    """Something to be sent, as it was claimed."""

    send_id: int
    study_instance_uid: str
    destination: str
    kind: SendKind
    begun_at: datetime
    attempts: int
    sent: frozenset[str]
    """SOP Instance UIDs that the destination has taken."""


@dataclass(frozen=True, slots=True)
class SendResult:
    """How one attempt ended."""

    taken: Collection[str] = ()
    """SOP Instance UIDs."""
    trouble: str = ""
    """Why not everything was taken; empty where it was."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a send after an attempt."""

    state: SendState
    due_at: datetime | None


def verdict(send: Send, result: SendResult, now: datetime, limit: timedelta) -> Verdict:
    """Sent, tried again later, or given up after `limit`."""
    if not result.trouble:
        return Verdict(SendState.SENT, None)
    if now - send.begun_at > limit:
        return Verdict(SendState.FAILED, None)
    # An attempt that got on is followed by the next one soon.
    return Verdict(SendState.WAITING, now + pause(0 if result.taken else send.attempts))


@dataclass(frozen=True, slots=True)
class SendOverview:
    """A send as operators see it."""

    send_id: int
    study_instance_uid: str
    destination: str
    kind: SendKind
    reason: str
    state: SendState
    created_at: datetime
    due_at: datetime | None
    closed_at: datetime | None
    attempts: int
    last_error: str | None
    instances_sent: int = field(default=0)
