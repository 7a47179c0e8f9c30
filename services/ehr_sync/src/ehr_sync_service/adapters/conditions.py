"""Search parameters of FHIR as conditions in SQL.

Each is made of constants; what the client sent is always a parameter of the statement. `t` is the row of the resource,
`o` that of its order.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from uuid import UUID

from fj_fhir import DICOM_UID, Dated, Interval, Match, Prefix, Text, Token, scheme_of

from ehr_sync_service.adapters.projection import digits, fold, term

NOTHING: Final = "FALSE"
_OWN_CODES: Final = "http://hl7.org/fhir/"
_MODALITIES: Final = "DCM"


@dataclass(slots=True)
class Values:
    """The parameters of one statement."""

    given: list[Any] = field(default_factory=list)

    def add(self, value: object) -> str:
        """The place of the value in the statement."""
        self.given.append(value)
        return f"${len(self.given)}"


Condition: TypeAlias = Callable[[Any, Values], str]
"""A value of a search parameter as SQL."""


def by_id(key: str) -> Condition:
    def condition(token: Token, values: Values) -> str:
        wanted = token.code or ""
        if key == "study_instance_uid":
            return f"t.{key} = {values.add(wanted)}"
        return _equals_uuid(f"t.{key}", wanted, values)

    return condition


def _equals_uuid(column: str, text: str, values: Values) -> str:
    try:
        return f"{column} = {values.add(UUID(text))}"
    except ValueError:
        return NOTHING


def number(token: Token, values: Values) -> str:
    return _has_number("t.identifiers", token, values)


def _has_number(column: str, token: Token, values: Values) -> str:
    if token.system == "":
        return NOTHING  # no number of ours is without an issuer
    code = (token.code or "").removeprefix("urn:oid:") if token.system in (None, DICOM_UID) else token.code or ""
    wanted = term(code) if token.system is None else term(code, token.issuer)
    return f"{column} && ARRAY[{values.add(wanted)}]::text[]"


def patient_number(column: str, recorded: str) -> Condition:
    """By a number of whoever the record is of after merges; a number that was merged away means its survivor."""

    def condition(token: Token, values: Values) -> str:
        inner = _has_number("p.identifiers", token, values)
        return f"""({column} IN (SELECT ids_of(p.patient_id) FROM patients p WHERE {inner})
            AND survivor_of({column}, {recorded}) IN (
                SELECT survivor_of(p.patient_id, now()) FROM patients p WHERE {inner}))"""

    return condition


def patient(column: str, recorded: str) -> Condition:
    """By whoever the record is of after merges."""
    return lambda value, values: _of_patient(column, recorded, value.id, values)


def _of_patient(column: str, recorded: str, text: str, values: Values) -> str:
    try:
        wanted = values.add(UUID(text))
    except ValueError:
        return NOTHING
    return f"""({column} IN (SELECT ids_of({wanted}))
        AND survivor_of({column}, {recorded}) = survivor_of({wanted}, now()))"""


def pointer(column: str) -> Condition:
    return lambda value, values: _equals_uuid(column, value.id, values)


def joint(table: str, key: str, by: Callable[[str, str], Condition]) -> Condition:
    """By whose the order of a record is, which may have gone to another patient; else by its own: each by its index."""
    own, orders = by("r.patient_id", "r.recorded_at"), by("o.patient_id", "o.placed_at")

    def condition(value: Any, values: Values) -> str:
        return f"""t.{key} IN (
            SELECT r.{key} FROM {table} r WHERE {own(value, values)}
               AND NOT EXISTS (SELECT FROM orders o WHERE o.order_id = r.order_id)
             UNION ALL
            SELECT r.{key} FROM orders o JOIN {table} r USING (order_id) WHERE {orders(value, values)})"""

    return condition


def instant(column: str) -> Condition:
    return lambda dated, values: _dated(column, dated, dated.span.low, dated.span.high, values)


def day(column: str) -> Condition:
    def condition(dated: Dated, values: Values) -> str:
        span: Interval = dated.span
        return _dated(column, dated, span.low.date(), span.high.date(), values)

    return condition


def _dated(column: str, dated: Dated, low: object, high: object, values: Values) -> str:
    """R4 section 3.1.1.4.6, for a resource's moment (or day) against a span from low up to high."""
    match dated.prefix:
        case Prefix.EQ:
            return f"({column} >= {values.add(low)} AND {column} < {values.add(high)})"
        case Prefix.NE:
            return f"({column} < {values.add(low)} OR {column} >= {values.add(high)})"
        case Prefix.GT:
            return f"{column} >= {values.add(high)}"
        case Prefix.GE:
            return f"{column} >= {values.add(low)}"
        case Prefix.LT:
            return f"{column} < {values.add(low)}"
        case Prefix.LE:
            return f"{column} < {values.add(high)}"


def name(*parts: str) -> Condition:
    return _text("patient_names", parts)


def address(*parts: str) -> Condition:
    return _text("patient_addresses", parts)


def _text(table: str, parts: Sequence[str]) -> Condition:
    def condition(text: Text, values: Values) -> str:
        places = ", ".join(values.add(part) for part in parts)
        return f"""t.patient_id IN (SELECT patient_id FROM {table}
            WHERE part IN ({places}) AND {_written(text, values)})"""

    return condition


def phone(token: Token, values: Values) -> str:
    """By the digits of a number; `phone|` alone is whoever has one."""
    if token.system not in (None, "phone"):
        return NOTHING
    return "t.phone IS NOT NULL" if token.code is None else f"t.phone = {values.add(digits(token.code))}"


def active(token: Token, values: Values) -> str:  # noqa: ARG001 - a condition without values of the client
    """Whoever was merged away is not."""
    wanted = {"true": "=", "false": "<>"}.get(token.code or "")
    return f"survivor_of(t.patient_id, now()) {wanted} t.patient_id" if wanted else NOTHING


def _written(text: Text, values: Values) -> str:
    if text.match is Match.EXACT:
        return f"written = {values.add(text.text)}"
    folded = fold(text.text).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"folded LIKE {values.add(f'%{folded}%' if text.match is Match.CONTAINS else f'{folded}%')}"


def own_code(column: str, codes: Mapping[str, str] | None = None) -> Condition:
    """A code of FHIR's own code systems; `codes` are what the column has for them."""

    def condition(token: Token, values: Values) -> str:
        if token.system is not None and not token.system.startswith(_OWN_CODES):
            return NOTHING
        code = token.code or ""
        return f"{column} = {values.add(codes.get(code, '') if codes else code)}"

    return condition


def modality(token: Token, values: Values) -> str:
    if token.system is not None and scheme_of(token.system) != _MODALITIES:
        return NOTHING
    return f"t.modalities && ARRAY[{values.add(token.code or '')}]::text[]"


def coded(code: str, scheme: str) -> Condition:
    def condition(token: Token, values: Values) -> str:
        wanted = []
        if token.code is not None:
            wanted.append(f"{code} = {values.add(token.code)}")
        if token.system is not None:
            wanted.append(f"{scheme} IS NOT DISTINCT FROM {values.add(scheme_of(token.system))}")
        return "(" + " AND ".join(wanted) + ")"

    return condition
