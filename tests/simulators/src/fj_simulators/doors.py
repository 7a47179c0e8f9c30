"""The addresses that outsiders rely on, shifted by `FJ_PORT_OFFSET`."""

from collections.abc import Mapping
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
    queries: int = 11113
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

    @classmethod
    def of(cls, ports: Mapping[str, int]) -> Self:
        """Where an installation on these ports listens, named as in its settings."""
        return cls(
            orders=ports["ORDER_MLLP_PORT"],
            patients=ports["PATIENT_MLLP_PORT"],
            results=ports["REPORTING_MLLP_PORT"],
            ehr=ports["demo-ehr"],
            images=ports["INGEST_DIMSE_PORT"],
            queries=ports["STORAGE_DIMSE_PORT"],
            worklist=ports["SCHEDULING_DIMSE_PORT"],
            gateway=ports["gateway"],
            viewer=ports["viewer"],
            kafka=ports["kafka"],
        )

    @property
    def http(self) -> str:
        """The gateway."""
        return f"http://{self.host}:{self.gateway}"
