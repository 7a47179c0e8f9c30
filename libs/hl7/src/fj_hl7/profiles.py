"""The site profiles of an installation, read from YAML and checked: a mistake is told with file, line and field."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationError, field_validator

from fj_hl7.charsets import known
from fj_hl7.datatypes import CWE
from fj_hl7.message import Message
from fj_hl7.places import Constant, Place, Source
from fj_hl7.profile import DEFAULT, DEFAULT_PLACES, CharacterSet, Codes, Item, Profile

ANY: Final = "*"
_SENDERS_KNOWN: Final = 1024

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
Text = Annotated[str, Field(min_length=1, max_length=64)]
Code = Annotated[str, BeforeValidator(lambda given: str(given) if isinstance(given, int) else given)]
"""A code of a sender: `4711` without quotes is the text of it."""


class BadProfile(ValueError):
    """A profile that cannot be used: file, line and field stand in the text."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Sender(_Part):
    """MSH-3, MSH-4 (first components) and where it connects from; what is left out is any."""

    application: Text = ANY
    facility: Text = ANY
    peer: IPv4Network | IPv6Network | None = None


class _CharacterSet(_Part):
    name: str
    always: bool = False

    @field_validator("name")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if not known(name):
            raise ValueError(f"{name!r} is not in HL7 table 0211")
        return name


def _source(given: object) -> Source:
    if isinstance(given, str):
        return Place.parse(given)
    if isinstance(given, dict) and set(given) == {"constant"} and str(given["constant"]).strip():
        return Constant(str(given["constant"]).strip())
    raise ValueError("must be a place, or {constant: what is meant}")


class _Concept(_Part):
    code: Code
    text: str = ""
    system: str = ""


class _Issuers(_Part):
    patient: Text | None = None
    accession: Text | None = None
    placer: Text | None = None
    filler: Text | None = None


class _Codes(_Part):
    priority: dict[Code, Literal["S", "A", "R", "P", "C", "T", "U"]] = {}
    sex: dict[Code, Literal["F", "M", "O", "U", "A", "N"]] = {}
    modality: dict[Code, Annotated[str, Field(pattern=r"^[A-Z]{2,16}$")]] = {}
    order_control: dict[Code, Annotated[str, Field(pattern=r"^[A-Z]{2}$")]] = {}
    result_status: dict[Code, Annotated[str, Field(pattern=r"^[A-Z]{1,2}$")]] = {}
    procedure: dict[Code, _Concept] = {}


class _Document(_Part):
    """One profile as it stands in the file."""

    senders: Annotated[tuple[_Sender, ...], Field(min_length=1)]
    site: Name | None = None
    time_zone: str | None = None
    issuers: _Issuers = _Issuers()
    character_set: _CharacterSet | None = None
    places: dict[Item, tuple[Annotated[Source, PlainValidator(_source)], ...]] = {}
    codes: _Codes = _Codes()

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, name: str | None) -> str | None:
        try:
            return name if name is None else ZoneInfo(name).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"there is no time zone {name!r}") from None

    @field_validator("places")
    @classmethod
    def _the_patient_is_in_pid(cls, given: dict[Item, tuple[Source, ...]]) -> dict[Item, tuple[Source, ...]]:
        """A message may have several PID, each with its own number."""
        if not all(isinstance(source, Place) and source.segment == "PID" for source in given.get(Item.PATIENT_ID, ())):
            raise ValueError("the places of patient_id must be in PID")
        return given

    def profile(self, name: str) -> Profile:
        concepts = {code: CWE(to.code, to.text, to.system) for code, to in self.codes.procedure.items()}
        maps = {name: MappingProxyType(codes) for name, codes in self.codes if name != "procedure"}
        return Profile(
            name=name,
            site=self.site,
            time_zone=self.time_zone,
            issuers=MappingProxyType(self.issuers.model_dump(exclude_none=True)),
            character_set=CharacterSet(**self.character_set.model_dump()) if self.character_set else None,
            places=MappingProxyType({**DEFAULT_PLACES, **self.places}),
            own=frozenset(self.places),
            codes=Codes(**maps, procedure=MappingProxyType(concepts)),
        )


@dataclass(frozen=True, slots=True)
class _Claim:
    """Whose messages a profile is for."""

    sender: _Sender
    profile: Profile

    @property
    def exactness(self) -> tuple[bool, bool, int]:
        """What is sorted by: application before facility before the narrower network."""
        sender = self.sender
        narrow = sender.peer.prefixlen if sender.peer is not None else -1
        return sender.application != ANY, sender.facility != ANY, narrow

    def fits(self, application: str, facility: str, peer: str) -> bool:
        sender = self.sender
        return (
            sender.application in {ANY, application}
            and sender.facility in {ANY, facility}
            and (sender.peer is None or _is_in(peer, sender.peer))
        )


class Profiles:
    """All profiles; a sender without one is read by `DEFAULT`."""

    def __init__(self, path: Path | None = None, sites: Collection[str] | None = None) -> None:
        self._path = path
        self._sites = sites
        self._stamp: tuple[tuple[str, int, int], ...] = ()
        self._claims: list[_Claim] = []
        self.of = lru_cache(maxsize=_SENDERS_KNOWN)(self._of)

    @classmethod
    def load(cls, path: Path | None, sites: Collection[str] | None = None) -> Self:
        """Read a YAML file, or all `*.yaml` of a folder; without a path nobody has a profile.

        `sites`: the names of those that there are. Raises BadProfile, one line for each mistake.
        """
        profiles = cls(path, sites)
        profiles._stamp = _stamp(path)
        profiles._take(_all_claims(path, sites))
        return profiles

    def refresh(self) -> bool:
        """Read the files anew where they have changed since. Raises BadProfile, once a change: the old ones stay."""
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        self._take(_all_claims(self._path, self._sites))
        return True

    def _take(self, claims: Sequence[_Claim]) -> None:
        self._claims = sorted(claims, key=lambda claim: claim.exactness, reverse=True)
        self.of.cache_clear()

    def __iter__(self) -> Iterator[Profile]:
        return iter({claim.profile.name: claim.profile for claim in self._claims}.values())

    def read(self, raw: bytes, peer: str = "") -> Message:
        """A message with the profile of its sender, in the character set that this sender really uses."""
        message = Message.parse(raw)
        if not self._claims:
            return message
        profile = self.of(*message.sender, peer)
        charset = profile.declared(message.header.raw(18))
        if charset is not None:
            message = Message.parse(raw, charset)
        message.profile = profile
        return message

    def _of(self, application: str, facility: str, peer: str) -> Profile:
        fitting = (claim.profile for claim in self._claims if claim.fits(application, facility, peer))
        return next(fitting, DEFAULT)


STANDARD: Final = Profiles()
"""Nobody has a profile."""


def _files(path: Path | None) -> list[Path]:
    if path is None:
        return []
    return sorted(path.glob("*.yaml")) if path.is_dir() else [path]


def _stamp(path: Path | None) -> tuple[tuple[str, int, int], ...]:
    """What changes when one of the files does."""
    stamp = []
    for file in _files(path):
        with suppress(OSError):
            known = file.stat()
            stamp.append((str(file), known.st_mtime_ns, known.st_size))
    return tuple(stamp)


def _all_claims(path: Path | None, sites: Collection[str] | None) -> list[_Claim]:
    claims: list[_Claim] = []
    for file in _files(path):
        for name, (document, line) in _read(file).items():
            if sites is not None and document.site is not None and document.site not in sites:
                raise BadProfile(f"{file}:{line}: profiles.{name}.site: there is no site {document.site!r}")
            claims += _claims(file, line, document.profile(name), document.senders, claims)
    return claims


def _is_in(peer: str, network: IPv4Network | IPv6Network) -> bool:
    try:
        return ip_address(peer) in network
    except ValueError:
        return False


def _claims(
    file: Path, line: int, profile: Profile, senders: Sequence[_Sender], others: Sequence[_Claim]
) -> list[_Claim]:
    taken = {claim.sender: claim.profile.name for claim in others}
    for sender in senders:
        if sender in taken:
            told = f"{sender.application}/{sender.facility}" + (f" from {sender.peer}" if sender.peer else "")
            raise BadProfile(f"{file}:{line}: profiles.{profile.name}.senders: {told} has {taken[sender]} already")
    return [_Claim(sender, profile) for sender in senders]


def _read(file: Path) -> Mapping[str, tuple[_Document, int]]:
    """The profiles of a file, each with the line on which it begins."""
    try:
        text = file.read_text(encoding="utf-8")
        root, given = yaml.compose(text, yaml.SafeLoader), yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise BadProfile(f"{file}: {error}") from None
    except yaml.YAMLError as error:
        raise BadProfile(f"{file}:{_mark(error)}: {getattr(error, 'problem', error)}") from None
    named = given.get("profiles") if isinstance(given, dict) else None
    if not isinstance(named, dict) or not named or set(given) != {"profiles"}:
        raise BadProfile(f"{file}:1: must be one mapping 'profiles' of name to profile")
    try:
        documents = _File.model_validate(given).profiles
    except ValidationError as error:
        lines = [_told(file, root, item["loc"], item["msg"]) for item in error.errors(include_url=False)]
        raise BadProfile("\n".join(lines)) from None
    return {name: (document, _line(root, ("profiles", name))) for name, document in documents.items()}


class _File(_Part):
    profiles: dict[Name, _Document]


def _told(file: Path, root: yaml.Node | None, place: tuple[str | int, ...], message: str) -> str:
    field = ".".join(map(str, place))
    return f"{file}:{_line(root, place)}: {field}: {message.removeprefix('Value error, ')}"


def _line(node: yaml.Node | None, place: Sequence[str | int]) -> int:
    """The line of a field, or of the last one on the way to it that stands there."""
    line = 1
    for step in place:
        if isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == str(step)), None)
            if pair is None:
                return line
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line + 1
    return line


def _mark(error: yaml.YAMLError) -> int:
    mark = getattr(error, "problem_mark", None)
    return mark.line + 1 if mark is not None else 1
