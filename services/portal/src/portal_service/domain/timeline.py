"""The timeline of an exam: every fact about it, in order of time but never before its cause."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One fact on a timeline. The summary is free of PHI."""

    event_id: UUID
    at: datetime
    type: str
    site: str
    service: str
    summary: str
    cause: UUID | None
    actor: str | None


def in_order(entries: Sequence[Entry]) -> list[Entry]:
    """By time; among equals, and where clocks disagree, a cause stands before its effect."""
    by_id = {entry.event_id: entry for entry in entries}
    placed: dict[UUID, Entry] = {}
    for entry in sorted(entries, key=lambda entry: (entry.at, entry.type, entry.event_id)):
        chain: list[Entry] = []
        step: Entry | None = entry
        while step is not None and step.event_id not in placed and step not in chain:
            chain.append(step)
            step = by_id.get(step.cause) if step.cause else None
        placed.update((link.event_id, link) for link in reversed(chain))
    return list(placed.values())
