"""How many associations a listener holds at once, and which one makes way for another."""

import threading
from typing import Protocol


class Holder(Protocol):
    """An association, as far as its place matters."""

    @property
    def idle_since(self) -> float | None:
        """Since when it waits for a message, on the monotonic clock; None while one is performed."""
        ...

    def make_way(self) -> None:
        """End, for the sake of another one."""
        ...


class Places:
    """The places of one listener. Used by the threads of its associations."""

    def __init__(self, limit: int, patience_s: float) -> None:
        self._limit = limit
        self._patience_s = patience_s
        self._held: set[Holder] = set()
        self._lock = threading.Lock()

    def take(self, holder: Holder, now: float) -> bool:
        """Whether there is a place. Where all are taken, it is that of whoever has been idle longest, and too long."""
        with self._lock:
            if len(self._held) >= self._limit:
                longest = self._longest_idle(now)
                if longest is None:
                    return False
                self._held.remove(longest)
                longest.make_way()
            self._held.add(holder)
            return True

    def leave(self, holder: Holder) -> None:
        """It has ended."""
        with self._lock:
            self._held.discard(holder)

    def _longest_idle(self, now: float) -> Holder | None:
        idle = [(since, holder) for holder in self._held if (since := holder.idle_since) is not None]
        since, holder = min(idle, key=lambda one: one[0], default=(now, None))
        return holder if now - since >= self._patience_s else None
