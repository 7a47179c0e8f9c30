"""How a part of the bus is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Health:
    """A verdict. `detail` is for operators and free of PHI."""

    ok: bool
    detail: str = ""
