"""The addresses that HL7 messages go to, and which kinds in which version."""

import re
from dataclasses import dataclass
from typing import Final, Self

_ENTRY: Final = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]{0,63})=(?P<host>\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):(?P<port>\d{1,5})"
    r"(?:/(?P<kinds>[a-z_]+(?:\+[a-z_]+)*))?(?:@(?P<version>[0-9.]+))?"
)
KINDS: Final = frozenset({"results", "status", "numbers", "procedures", "appointments", "patients"})
USUAL_KINDS: Final = frozenset({"results", "status"})
"""What is wanted where no kind is named: what every EHR understands."""
VERSIONS: Final = ("2.3.1", "2.5.1")
USUAL_VERSION: Final = "2.5.1"


@dataclass(frozen=True, slots=True)
class Destination:
    """One receiver. `kinds` are the kinds of message that it wants, `version` is the HL7 version that it gets."""

    name: str
    host: str
    port: int
    kinds: frozenset[str] = USUAL_KINDS
    version: str = USUAL_VERSION


@dataclass(frozen=True, slots=True)
class Destinations:
    """Like `demo-ehr=127.0.0.1:2580,pacs=10.0.0.7:2575/procedures+patients@2.3.1`.

    Without kinds, results and status are wanted; without version, it is 2.5.1.
    """

    all: tuple[Destination, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the list. Raises ValueError naming the entry that does not fit."""
        entries = tuple(_entry(part.strip()) for part in text.split(",") if part.strip())
        names = [entry.name for entry in entries]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"destinations named twice: {', '.join(twice)}")
        return cls(entries)

    def wanting(self, kind: str) -> tuple[Destination, ...]:
        """The destinations that want `kind`."""
        return tuple(entry for entry in self.all if kind in entry.kinds)


def _entry(text: str) -> Destination:
    match = _ENTRY.fullmatch(text)
    if match is None:
        raise ValueError(f"destination {text!r} is not name=host:port, name=host:port/kind+kind or …@version")
    port = int(match["port"])
    if not 0 < port < 65536:
        raise ValueError(f"destination {text!r}: port {port} is not between 1 and 65535")
    kinds = frozenset(match["kinds"].split("+")) if match["kinds"] else USUAL_KINDS
    if kinds - KINDS:
        raise ValueError(f"destination {text!r}: kinds are {'+'.join(sorted(KINDS))}, not {'+'.join(sorted(kinds))}")
    version = match["version"] or USUAL_VERSION
    if version not in VERSIONS:
        raise ValueError(f"destination {text!r}: versions are {' and '.join(VERSIONS)}, not {version}")
    return Destination(match["name"], match["host"].strip("[]"), port, kinds, version)
