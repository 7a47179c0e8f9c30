r"""Search parameters (R4 section 3.1.1): what a resource can be searched by, and what a client asked for.

Values are or-ed by comma, repeated parameters are and-ed; `\,`, `\|` and `\$` stand for the characters themselves.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from fj_fhir.dates import Dated, Prefix, interval
from fj_fhir.outcome import BadSearch, IssueCode
from fj_fhir.terms import DICOM_UID, issuer_of

DEFAULT_COUNT: Final = 20
MAX_COUNT: Final = 200
_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_RESULT: Final = frozenset({"_count", "_offset", "_sort", "_summary"})
_FORMAT: Final = frozenset({"_format", "_pretty"})


class Kind(StrEnum):
    """The search parameter types of R4 that are used here."""

    STRING = "string"
    TOKEN = "token"  # noqa: S105 - a search parameter type of FHIR, not a secret
    DATE = "date"
    REFERENCE = "reference"


class Match(StrEnum):
    """How a string is compared."""

    STARTS = "starts"
    EXACT = "exact"
    CONTAINS = "contains"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter that a resource can be searched by."""

    name: str
    kind: Kind
    documentation: str
    targets: tuple[str, ...] = ()
    """The resource types that a reference may point to."""


@dataclass(frozen=True, slots=True)
class Text:
    """A string value."""

    text: str
    match: Match


@dataclass(frozen=True, slots=True)
class Token:
    """A code or number. `system` None: any; empty: the resource has none. `issuer` is the authority it stands for."""

    system: str | None
    code: str | None

    @property
    def issuer(self) -> str | None:
        return issuer_of(self.system)

    @property
    def uid(self) -> str | None:
        """The DICOM UID where this token may be one: `urn:dicom:uid|urn:oid:1.2`, `urn:oid:1.2`, `1.2`."""
        if self.code is None or self.system not in (None, DICOM_UID):
            return None
        return self.code.removeprefix("urn:oid:")


@dataclass(frozen=True, slots=True)
class Pointer:
    """A reference to a resource by its id."""

    type: str | None
    id: str


Value = Text | Token | Dated | Pointer


@dataclass(frozen=True, slots=True)
class Criterion:
    """A parameter with the values of which one must fit."""

    name: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Sort:
    """An order of the results."""

    name: str
    descending: bool


@dataclass(frozen=True, slots=True)
class Search:
    """What was asked for. `used` are the parameters that counted, as they go into the self link."""

    criteria: tuple[Criterion, ...]
    used: tuple[tuple[str, str], ...]
    count: int = DEFAULT_COUNT
    offset: int = 0
    sort: Sort | None = None
    only_count: bool = False


@dataclass(frozen=True, slots=True)
class SearchSpec:
    """By what a resource type can be searched and sorted. `_id` and `_lastUpdated` belong to each."""

    resource_type: str
    parameters: tuple[Parameter, ...]
    sorts: tuple[str, ...] = ("_lastUpdated",)

    def by_name(self) -> Mapping[str, Parameter]:
        return {parameter.name: parameter for parameter in (*COMMON, *self.parameters)}


COMMON: Final = (
    Parameter("_id", Kind.TOKEN, "The logical id"),
    Parameter("_lastUpdated", Kind.DATE, "When the resource last changed"),
)


def parse_search(spec: SearchSpec, given: Sequence[tuple[str, str]], *, strict: bool = False) -> Search:
    """Read the query of a search.

    A parameter that the resource does not know is an error under `Prefer: handling=strict`, else it is ignored and
    left out of the self link (R4 section 3.1.1.1.1). A modifier or value that does not fit is an error always.
    Raises BadSearch.
    """
    known = spec.by_name()
    criteria: list[Criterion] = []
    results: dict[str, str] = {}
    used: list[tuple[str, str]] = []
    for name, raw in given:
        base, _, modifier = name.partition(":")
        if "\0" in raw:
            raise BadSearch(base, "the value has a character U+0000")
        if base in _FORMAT or not raw:
            continue
        if name in _RESULT:
            results[name] = raw
        elif base in known:
            criteria.append(Criterion(base, _values(known[base], modifier, raw)))
        elif strict:
            raise BadSearch(name, f"{spec.resource_type} is not searched by it", IssueCode.NOT_SUPPORTED)
        else:
            continue
        if name != "_offset":
            used.append((name, raw))
    return Search(
        tuple(criteria),
        tuple(used),
        count=min(_number("_count", results.get("_count"), DEFAULT_COUNT), MAX_COUNT),
        offset=_number("_offset", results.get("_offset"), 0),
        sort=_sort(spec, results.get("_sort")),
        only_count=_only_count(results.get("_summary")) or results.get("_count") == "0",
    )


def _values(parameter: Parameter, modifier: str, raw: str) -> tuple[Value, ...]:
    reader = _READERS[parameter.kind]
    return tuple(reader(parameter, modifier, item) for item in split(raw, ",") if item)


def _string(parameter: Parameter, modifier: str, raw: str) -> Value:
    try:
        return Text(unescape(raw), Match(modifier or "starts"))
    except ValueError:
        raise _no_modifier(parameter, modifier) from None


def _token(parameter: Parameter, modifier: str, raw: str) -> Value:
    if modifier:
        raise _no_modifier(parameter, modifier)
    parts = [unescape(part) for part in split(raw, "|")]
    if len(parts) > 2 or not any(parts):
        raise BadSearch(parameter.name, f"{raw!r} is neither `code`, `system|code`, `system|` nor `|code`")
    return Token(None, parts[0]) if len(parts) == 1 else Token(parts[0], parts[1] or None)


def _date(parameter: Parameter, modifier: str, raw: str) -> Value:
    if modifier:
        raise _no_modifier(parameter, modifier)
    prefix, text = (raw[:2], raw[2:]) if raw[:2].isalpha() else ("eq", raw)
    try:
        # A plus sign in a query stands for a space: `+02:00` that was not escaped still means what it says.
        return Dated(Prefix(prefix), interval(text.replace(" ", "+")))
    except ValueError as error:
        known = ", ".join(Prefix)
        reason = f"prefix {prefix!r} is not one of {known}" if prefix not in set(Prefix) else str(error)
        raise BadSearch(parameter.name, reason) from None


def _reference(parameter: Parameter, modifier: str, raw: str) -> Value:
    if modifier and modifier not in parameter.targets:
        raise _no_modifier(parameter, modifier)
    # An absolute URL of a resource of ours ends as the relative one does.
    parts = unescape(raw).split("/")
    resource_type = parts[-2] if len(parts) > 1 else modifier or None
    if not _ID.fullmatch(parts[-1]) or (resource_type is not None and resource_type not in parameter.targets):
        targets = ", ".join(f"{target}/[id]" for target in parameter.targets)
        raise BadSearch(parameter.name, f"{raw!r} is no reference: [id], {targets}")
    return Pointer(resource_type, parts[-1])


_READERS: Final[Mapping[Kind, Callable[[Parameter, str, str], Value]]] = {
    Kind.STRING: _string,
    Kind.TOKEN: _token,
    Kind.DATE: _date,
    Kind.REFERENCE: _reference,
}


def _no_modifier(parameter: Parameter, modifier: str) -> BadSearch:
    return BadSearch(
        parameter.name, f"the modifier :{modifier} does not fit a {parameter.kind}", IssueCode.NOT_SUPPORTED
    )


def _number(name: str, raw: str | None, default: int) -> int:
    if raw is None:
        return default
    if not (raw.isascii() and raw.isdigit() and len(raw) <= 9):
        raise BadSearch(name, f"{raw!r} is not a whole number from 0")
    return int(raw)


def _sort(spec: SearchSpec, raw: str | None) -> Sort | None:
    if raw is None:
        return None
    name = raw.removeprefix("-")
    if name not in spec.sorts:
        raise BadSearch("_sort", f"{raw!r} is not one of {', '.join(spec.sorts)}", IssueCode.NOT_SUPPORTED)
    return Sort(name, descending=raw.startswith("-"))


def _only_count(raw: str | None) -> bool:
    if raw not in (None, "count", "false"):
        raise BadSearch("_summary", f"{raw!r} is neither `count` nor `false`", IssueCode.NOT_SUPPORTED)
    return raw == "count"


def split(raw: str, separator: str) -> list[str]:
    """The parts between separators that no backslash escapes; escapes stay."""
    parts, escaped = [""], False
    for character in raw:
        if character == separator and not escaped:
            parts.append("")
        else:
            parts[-1] += character
            escaped = character == "\\" and not escaped
    return parts


def unescape(raw: str) -> str:
    """The text that an escaped value stands for."""
    return re.sub(r"\\([,|$\\])", r"\1", raw)


def is_strict(prefer: Iterable[str]) -> bool:
    """Whether the Prefer headers ask for `handling=strict` (RFC 7240)."""
    wishes = {wish.strip().replace('"', "").lower() for header in prefer for wish in re.split("[,;]", header)}
    return "handling=strict" in wishes
