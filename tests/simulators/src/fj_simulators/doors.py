"""The addresses that outsiders rely on, shifted by `FJ_PORT_OFFSET`."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Doors:
    """Where an installation listens."""

    host: str = "127.0.0.1"
    orders: int = 2575
    patients: int = 2576
    results: int = 2577
    ehr: int = 2580
    """Where our own EHR listens for results."""
    images: int = 11112
    worklist: int = 11114
    gateway: int = 8080
    viewer: int = 8081
    kafka: int = 19092

    @classmethod
    def offset(cls, by: int) -> Self:
        """The default doors, each `by` ports higher."""
        plain = cls()
        ports = (name for name in cls.__slots__ if name != "host")
        return cls(**{name: getattr(plain, name) + by for name in ports})

    @property
    def http(self) -> str:
        """The gateway."""
        return f"http://{self.host}:{self.gateway}"
