"""What runs inside a process: consumers, relays, listeners, sweeps."""

import asyncio
from dataclasses import dataclass
from typing import Protocol


class Verdict(Protocol):
    """How a part is. `detail` is shown to operators and must be free of PHI."""

    @property
    def ok(self) -> bool: ...
    @property
    def detail(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Health:
    """A verdict ready to use."""

    ok: bool
    detail: str = ""


class Part(Protocol):
    """Whatever runs in a process until it is told to stop."""

    @property
    def name(self) -> str: ...

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then drain and return. Raising, or returning before that, ends the process."""

    def health(self) -> Verdict:
        """Answer at once, from what is known: this is asked on the event loop at every probe."""
