"""The standards' terms that the facts are made of."""

from typing import Annotated
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, StringConstraints

Site = Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=r"^[A-Za-z0-9_-]+$")]
"""A site of the installation, as FJ_SITES names it."""

Uid = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[0-9]+(\.[0-9]+)*$")]
"""A DICOM unique identifier (PS3.5 section 9)."""

Actor = Annotated[str, StringConstraints(min_length=1, max_length=128)]
"""A user, as the identity provider names them."""


def patient_key(namespace: UUID, issuer: str, number: str) -> UUID:
    """The patient id that every room derives alone: UUIDv5 of issuer and number under the installation's secret."""
    return uuid5(namespace, f"{issuer}\x1f{number}")


class _Term(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Identifier(_Term):
    """A number with the authority that gave it out (HL7 v2.5.1 CX, EI; DICOM Issuer of …)."""

    value: Annotated[str, StringConstraints(min_length=1)]
    issuer: str

    def __str__(self) -> str:
        return f"{self.value}^{self.issuer}"


class CodedConcept(_Term):
    """A code, its meaning and its coding scheme (PS3.3 section 8; HL7 CWE)."""

    code: str
    text: str | None = None
    system: str | None = None


class Staff(_Term):
    """A member of staff: who ordered, who signed (HL7 XCN)."""

    id: str | None = None
    family_name: str | None = None
    given_name: str | None = None

    @property
    def display(self) -> str:
        """Family, given; else the id."""
        return ", ".join(part for part in (self.family_name, self.given_name) if part) or self.id or ""


class PatientLocation(_Term):
    """Where a patient is in a hospital (HL7 PL)."""

    point_of_care: str | None = None
    room: str | None = None
    bed: str | None = None
    floor: str | None = None
    building: str | None = None
    facility: str | None = None

    @property
    def display(self) -> str:
        """What is known, from the ward to the hospital; empty where nothing is."""
        known = (self.point_of_care, self.room, self.bed, self.floor, self.building, self.facility)
        return ", ".join(part for part in known if part)


class Address(_Term):
    """A postal address (HL7 XAD)."""

    line: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None


class ObjectRef(_Term):
    """An immutable object in the store: where it lies, how long it is, what its bytes hash to."""

    bucket: str
    key: str
    size: int
    """Bytes."""
    sha256: str
    """Hexadecimal."""
