"""The procedure catalogue: what each procedure consists of, and which stations do what."""

from collections import Counter
from datetime import time
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Self

from fj_events import CodedConcept
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

ShortString = Annotated[str, StringConstraints(min_length=1, max_length=16, pattern=r"^[^\\]+$")]
"""SH, CS and AE: at most 16 characters and no backslash (PS3.5 Table 6.2-1)."""
AeTitle = Annotated[str, StringConstraints(max_length=16, pattern=r"^[^\\*?\s](?:[^\\*?]*[^\\*?\s])?$")]
"""A name that is not taken for a wildcard where it is asked for (PS3.4 C.2.2.2.4)."""
LongString = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\\]+$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Weekday(StrEnum):
    """As iCalendar writes them (RFC 5545, BYDAY), in the order of `datetime.weekday`."""

    MONDAY = "MO"
    TUESDAY = "TU"
    WEDNESDAY = "WE"
    THURSDAY = "TH"
    FRIDAY = "FR"
    SATURDAY = "SA"
    SUNDAY = "SU"


class OpeningHours(_Part):
    """From when to when a station takes appointments, by the clock of its site."""

    days: Annotated[tuple[Weekday, ...], Field(min_length=1)]
    opens: time
    closes: time
    """Not after `opens`: on the next day."""


class Station(_Part):
    """A modality as the worklist knows it."""

    ae_title: ShortString
    modality: ShortString
    name: ShortString | None = None
    location: ShortString | None = None
    """Where it stands."""
    site: str | None = None
    """Whose station it is; absent: every site has one."""
    opening_hours: tuple[OpeningHours, ...] = ()
    """None: always open."""


class StationGroup(_Part):
    """Stations of one modality that stand for each other: what is scheduled for the group, any of them may do."""

    ae_title: AeTitle
    """The name under which steps are scheduled and asked for; no station has it."""
    stations: Annotated[tuple[ShortString, ...], Field(min_length=1)]
    """AE titles."""
    name: ShortString | None = None
    site: str | None = None
    """Whose group it is; absent: every site has one, of the stations that it has."""


class StepTemplate(_Part):
    """One step of a procedure."""

    modality: ShortString
    duration_minutes: Annotated[int, Field(ge=1, le=1440)]
    description: LongString | None = None
    """Absent: the procedure's text."""
    stations: tuple[ShortString, ...] = ()
    """AE titles of the rooms that can do it, the first one first; absent: every one of its modality."""
    group: ShortString | None = None
    """In place of stations: the AE title of the group any of which can do it."""
    pause_minutes: Annotated[int, Field(ge=0, le=1440)] = 0
    """How long to wait after it until the next step: uptake, rest."""
    protocol: tuple[CodedConcept, ...] = ()
    """The protocol codes, in the order in which they are performed."""
    pre_medication: LongString | None = None
    contrast_agent: LongString | None = None
    preparation: Annotated[str, StringConstraints(min_length=1, max_length=1024)] | None = None
    """What the patient is to do before it."""

    @model_validator(mode="after")
    def _has_stations_or_group(self) -> Self:
        if self.stations and self.group:
            raise ValueError(f"a step has either stations or a group: {', '.join(self.stations)} or {self.group}")
        return self


class Procedure(_Part):
    """A procedure that can be ordered by its code."""

    code: str
    text: LongString
    steps: tuple[StepTemplate, ...] = ()
    procedures: tuple[str, ...] = ()
    """In place of steps: the codes of the procedures that it consists of, one after the other."""

    @model_validator(mode="after")
    def _has_steps_or_procedures(self) -> Self:
        if bool(self.steps) == bool(self.procedures):
            raise ValueError(f"procedure {self.code} has either steps or procedures")
        return self


class Default(_Part):
    """What holds where an order names a procedure or a modality that is not in the catalogue."""

    modality: ShortString
    duration_minutes: Annotated[int, Field(ge=1, le=1440)]
    station: ShortString
    """AE title."""


class Catalogue(_Part):
    """All procedures and stations."""

    default: Default
    stations: tuple[Station, ...]
    groups: tuple[StationGroup, ...] = ()
    procedures: tuple[Procedure, ...]

    @model_validator(mode="after")
    def _groups_are_of_stations(self) -> Self:
        if both := {each.ae_title for each in self.groups} & {each.ae_title for each in self.stations}:
            raise ValueError(f"are a station and a group: {', '.join(sorted(both))}")
        for group in self.groups:
            able = [each for each in self.stations if group.site in {None, each.site} or each.site is None]
            own = [each for each in able if each.ae_title in group.stations]
            if strange := sorted(set(group.stations) - {each.ae_title for each in own}):
                raise ValueError(f"group {group.ae_title} has what is no station of its site: {', '.join(strange)}")
            if len(modalities := sorted({each.modality for each in own})) > 1:
                raise ValueError(f"group {group.ae_title} is of more than one modality: {', '.join(modalities)}")
        return self

    @model_validator(mode="after")
    def _each_stands_once(self) -> Self:
        codes = Counter(procedure.code for procedure in self.procedures)
        titles = Counter((station.ae_title, station.site) for station in self.stations)
        titles += Counter((group.ae_title, group.site) for group in self.groups)
        twice = [str(key) for key, count in (codes + titles).items() if count > 1]
        if twice:
            raise ValueError(f"stands more than once: {', '.join(twice)}")
        return self

    @model_validator(mode="after")
    def _groups_of_steps_can_do_them(self) -> Self:
        modalities = {each.ae_title: each.modality for each in self.stations}
        able = {(group.ae_title, modalities[group.stations[0]]) for group in self.groups}
        wanted = {(step.group, step.modality) for each in self.procedures for step in each.steps if step.group}
        if strange := [f"{title} ({modality})" for title, modality in sorted(wanted - able)]:
            raise ValueError(f"groups of procedures that are no groups: {', '.join(strange)}")
        return self

    @model_validator(mode="after")
    def _rooms_are_stations(self) -> Self:
        known = {(station.ae_title, station.modality) for station in self.stations}
        wanted = {(title, step.modality) for each in self.procedures for step in each.steps for title in step.stations}
        if strange := [f"{title} ({modality})" for title, modality in sorted(wanted - known)]:
            raise ValueError(f"rooms of procedures that are no stations: {', '.join(strange)}")
        return self

    @model_validator(mode="after")
    def _parts_have_steps(self) -> Self:
        plain = {each.code for each in self.procedures if each.steps}
        wanted = {code for each in self.procedures for code in each.procedures}
        if strange := sorted(wanted - plain):
            raise ValueError(f"parts of procedures that are no procedures with steps: {', '.join(strange)}")
        return self

    def procedure(self, code: str) -> Procedure | None:
        """The procedure with this code, with all of its steps."""
        return self._by_code.get(code)

    @cached_property
    def _by_code(self) -> dict[str, Procedure]:
        plain = {each.code: each for each in self.procedures if each.steps}
        parts = ((each, [plain[code] for code in each.procedures]) for each in self.procedures if each.procedures)
        return plain | {each.code: each.model_copy(update={"steps": _of(*those)}) for each, those in parts}

    def station(self, ae_title: str, site: str) -> Station | None:
        """The station of a site with this AE title."""
        return next((each for each in self.stations if each.ae_title == ae_title and each.site in {None, site}), None)

    def groups_at(self, site: str) -> tuple[StationGroup, ...]:
        """The groups that a site has."""
        return tuple(each for each in self.groups if each.site in {None, site})

    def group(self, ae_title: str | None, site: str) -> StationGroup | None:
        """The group of a site with this AE title."""
        return next((each for each in self.groups_at(site) if each.ae_title == ae_title), None)

    def members(self, ae_title: str | None, site: str) -> tuple[Station, ...]:
        """The stations of a group that a site has; none for what is no group."""
        group = self.group(ae_title, site)
        found = () if group is None else (self.station(title, site) for title in group.stations)
        return tuple(each for each in found if each is not None)

    def stations_for(self, step: StepTemplate, site: str) -> tuple[Station, ...]:
        """The stations of a site that can do this: in the order in which it names them, else in the catalogue's."""
        if step.group:
            return tuple(each for each in self.members(step.group, site) if each.modality == step.modality)
        able = [each for each in self.stations if each.modality == step.modality and each.site in {None, site}]
        if not step.stations:
            return tuple(able)
        return tuple(each for title in step.stations for each in able if each.ae_title == title)


def _of(*procedures: Procedure) -> tuple[StepTemplate, ...]:
    """The steps of several procedures, each of which says whose it is."""
    return tuple(
        step.model_copy(update={"description": step.description or each.text})
        for each in procedures
        for step in each.steps
    )
