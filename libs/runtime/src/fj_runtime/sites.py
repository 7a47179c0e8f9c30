"""Sites: whose numbers are whose, and what a time without an offset means there."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from fj_runtime.errors import SettingsError

MAIN: Final = "MAIN"
ANY: Final = "*"
SiteName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
Text = Annotated[str, Field(min_length=1, max_length=64)]
HL7Field = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9]{2}-[1-9][0-9]?$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Issuers(_Part):
    """The assigning authorities meant where a message names none. What is left out is the site's own name."""

    patient: Text
    accession: Text
    placer: Text
    filler: Text


class Sender(_Part):
    """Namespace ids of a sending application (MSH-3) and facility (MSH-4), HL7 v2.5.1 2.14.9; `*` is any."""

    application: Text = ANY
    facility: Text = ANY


class Site(_Part):
    """One site of the network."""

    name: SiteName
    time_zone: str = "UTC"
    issuers: Issuers
    senders: tuple[Sender, ...] = ()
    accession: tuple[HL7Field, ...] = ("IPC-1", "ORC-3", "OBR-18", "OBR-20")
    """Fields of an order in which its accession number is looked for, in this order; all empty: one is made."""

    @model_validator(mode="before")
    @classmethod
    def _issuers_default_to_the_name(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        issuers = given.get("issuers") or {}
        if not isinstance(issuers, dict):
            return given
        return given | {"issuers": dict.fromkeys(Issuers.model_fields, given.get("name")) | issuers}

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"there is no time zone {value!r}") from None
        return value

    def localize(self, naive: datetime) -> datetime:
        """The instant that a time without offset means here.

        A time that the clock shows twice is the first one; one that it skips is moved on by what was skipped. The
        answer has a plain offset, since times in a zone do not equal others in an hour that comes twice (PEP 495).
        Raises ValueError for a time that has an offset already.
        """
        if naive.tzinfo is not None:
            raise ValueError(f"the time has an offset already ({naive.tzname()}), site {self.name} has no say in it")
        zone = ZoneInfo(self.time_zone)
        instant = naive.replace(tzinfo=zone, fold=0).astimezone(UTC)
        offset = instant.astimezone(zone).utcoffset() or timedelta()
        return instant.astimezone(timezone(offset))


class Sites:
    """All sites by name. `MAIN` is always there: it is what a sender that is not listed belongs to."""

    def __init__(self, sites: Mapping[str, Site]) -> None:
        main = Site.model_validate({"name": MAIN})
        self._sites = MappingProxyType({MAIN: main} | dict(sites))
        self._senders: dict[tuple[str, str], Site] = {}
        for site in self._sites.values():
            for sender in site.senders:
                self._claim(site, sender)

    @classmethod
    def load(cls, path: Path | None) -> Self:
        """Read the YAML file; without one, MAIN alone. Raises SettingsError naming file, place and reason."""
        if path is None:
            return cls({})
        try:
            document = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
            raise SettingsError(f"FJ_SITES {path}: {error}") from None
        named = document.get("sites") if isinstance(document, dict) else None
        if not isinstance(named, dict) or not named or set(document) != {"sites"}:
            raise SettingsError(f"FJ_SITES {path}: must be one mapping 'sites' of site name to site")
        try:
            return cls({name: _site(name, given) for name, given in named.items()})
        except ValueError as error:
            raise SettingsError("\n".join(f"FJ_SITES {path}: {line}" for line in str(error).splitlines())) from None

    def __getitem__(self, name: str) -> Site:
        return self._sites[name]

    def __iter__(self) -> Iterator[Site]:
        return iter(self._sites.values())

    @property
    def main(self) -> Site:
        """The site of whatever names no other."""
        return self._sites[MAIN]

    def of_sender(self, application: str, facility: str) -> Site:
        """The site of a sender by MSH-3 and MSH-4 (first components); the more exact entry wins, else MAIN."""
        asked = ((application, facility), (application, ANY), (ANY, facility), (ANY, ANY))
        return next((self._senders[pair] for pair in asked if pair in self._senders), self.main)

    def _claim(self, site: Site, sender: Sender) -> None:
        pair = (sender.application, sender.facility)
        owner = self._senders.setdefault(pair, site)
        if owner is not site:
            raise ValueError(
                f"sender {sender.application}/{sender.facility} is claimed by {owner.name} and {site.name}"
            )


def _site(name: object, given: object) -> Site:
    try:
        return Site.model_validate({"name": name} | (given if isinstance(given, dict) else {"given": given}))
    except ValidationError as error:
        lines = [
            f"sites.{name}.{'.'.join(map(str, item['loc']))}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors(include_url=False)
        ]
        raise ValueError("\n".join(lines)) from None
