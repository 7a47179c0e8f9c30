"""Every fact that there is, by its type."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from fj_events import (
    delivery,
    exam,
    exceptions,
    finding,
    instance,
    keeping,
    message,
    operating,
    order,
    patient,
    report,
    study,
)
from fj_events.base import Fact, registry

ROOMS: Final = (
    patient,
    order,
    exam,
    instance,
    study,
    keeping,
    report,
    finding,
    delivery,
    message,
    operating,
    exceptions,
)
"""The modules that hold the facts, in the order of the loop."""

REGISTRY: Final[Mapping[str, type[Fact]]] = MappingProxyType(registry())
