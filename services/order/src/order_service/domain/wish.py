"""What a placer wants done with one order, and which of two messages about it is the newer one."""

from dataclasses import dataclass, replace

from fj_events import Identifier

from order_service.domain.order import Heard, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One ORC group."""

    control: str
    """ORC-1, table 0119."""
    number: Identifier
    """ORC-2 or OBR-2: which order."""
    request: Request
    heard: Heard
    reason: str | None = None
    """ORC-16: why."""
    replacement: Request | None = None
    """What is wanted instead: of RP and RU the group RO behind it."""

    @property
    def requests(self) -> tuple[Request, ...]:
        """What is asked for in it: the order itself, and what is wanted instead."""
        return (self.request,) if self.replacement is None else (self.request, self.replacement)

    @property
    def as_it_comes(self) -> "Wish":
        """As its message said it when it came: that of one that is read again waits as the first reading did."""
        return replace(self, heard=replace(self.heard, came_at=None))


def is_older(this: Heard, newest: Heard) -> bool:
    """Whether a message is older than what was heard before. What cannot be compared counts as newer, as it came later.

    The times of the wish itself decide where both messages have one and they differ: a message may be made anew. They
    are never compared with times of messages, since some placers put the time of the first order in every ORC-9. What
    is read again did not come later: where nothing else tells, it is as new as when it came.
    """
    wanted, newest_wanted = this.transaction_at, newest.transaction_at
    if wanted and newest_wanted and wanted != newest_wanted:
        return wanted < newest_wanted
    said, newest_said = this.said_at, newest.said_at
    if said and newest_said and said != newest_said:
        return said < newest_said
    return bool(this.came_at and newest.came_at and this.came_at < newest.came_at)
