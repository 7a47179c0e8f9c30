"""PID, patient identification (HL7 v2.5.1 ch. 3.4.2), as every door that hears of a patient reads it."""

from dataclasses import dataclass
from datetime import date
from typing import Final, Self

from fj_hl7.datatypes import CX, XAD, XPN
from fj_hl7.profile import DEFAULT, Profile
from fj_hl7.segment import NULL, Segment

_NULLABLE: Final = {"birth_date": 7, "sex": 8, "address": 11, "phone": 13}


@dataclass(frozen=True, slots=True)
class PID:
    """Who the patient is. Lists keep the sender's order; what the sender left out is empty or None."""

    ids: tuple[CX, ...]
    """PID-3, then PID-2 and PID-4 of older versions, each number once."""
    name: XPN | None
    ideographic: XPN | None
    phonetic: XPN | None
    birth_date: date | None
    sex: str
    address: XAD | None
    phone: str
    nulls: frozenset[str]
    """Names of `demographics` whose value the sender asks to delete (two double quotes, ch. 2.5.3)."""

    def demographics(self) -> dict[str, object]:
        """What the sender says of the person, in plain names; what it leaves out is not in it."""
        name, address = self.name, self.address
        said: dict[str, object] = {
            "family_name": name and name.family,
            "given_name": name and name.given,
            "middle_name": name and name.middle,
            "prefix": name and name.prefix,
            "suffix": name and name.suffix,
            "ideographic_name": self.ideographic and f"{self.ideographic.family}^{self.ideographic.given}",
            "phonetic_name": self.phonetic and f"{self.phonetic.family}^{self.phonetic.given}",
            "birth_date": self.birth_date,
            "sex": self.sex,
            "address": address and _address(address),
            "phone": self.phone,
        }
        return {field: value for field, value in said.items() if value}

    @classmethod
    def read(cls, pid: Segment, profile: Profile = DEFAULT) -> Self:
        """`profile`: what the sender's sex codes mean, and which of its numbers is the patient's."""
        names = pid.each(XPN, 5)
        by_form = {name.representation: name for name in reversed(names)}
        birth = pid.time(7)
        return cls(
            ids=_ids(pid, profile),
            name=next((name for name in names if name.representation not in {"I", "P"}), None),
            ideographic=by_form.get("I"),
            phonetic=by_form.get("P"),
            birth_date=birth.at.date() if birth else None,
            sex=profile.sex(pid.get(8).strip()),
            address=pid.first(XAD, 11),
            phone=pid.get(13).strip() or pid.get(13, 12).strip(),
            nulls=_nulls(pid) if NULL in str(pid) else frozenset(),
        )


def _nulls(pid: Segment) -> frozenset[str]:
    return frozenset(name for name, field in _NULLABLE.items() if pid.is_null(field))


def _address(address: XAD) -> dict[str, str]:
    parts = {
        "line": address.street,
        "city": address.city,
        "state": address.state,
        "postal_code": address.postal_code,
        "country": address.country,
    }
    return {name: text for name, text in parts.items() if text}


def _ids(pid: Segment, profile: Profile) -> tuple[CX, ...]:
    """Two authorities may give out the same number; a number without one is not said twice."""
    found: list[CX] = []
    for identifier in (*profile.patient_ids(pid), *pid.each(CX, 3), *pid.each(CX, 2), *pid.each(CX, 4)):
        known = {cx.value for cx in found if not identifier.authority or cx.authority == identifier.authority}
        if identifier.value and identifier.value not in known:
            found.append(identifier)
    return tuple(found)
