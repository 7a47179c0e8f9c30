"""Searches of the index as SQL. Column names come from the tables here, values are parameters, always."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from asyncpg import Record

from storage_service.adapters import coded, modalities
from storage_service.adapters.sql import CURRENT_NUMBERS, UNDATED, Pool
from storage_service.domain.search import (
    REQUEST,
    Alike,
    AnyOf,
    By,
    Condition,
    Dates,
    Found,
    Level,
    Like,
    Moments,
    Search,
    Times,
)

_COUNTED: Final = "p.number_of_instances > 0"
_CONFIRMED: Final = (
    "NOT EXISTS (SELECT FROM study_route d WHERE d.study_instance_uid = {}.study_instance_uid"
    " AND d.contradicted_by IS NOT NULL)"
)


def _of_patient(counted: str, own: str) -> str:
    """Counted over all studies of the patient; a study without a patient's number stands for itself."""
    return (
        f"CASE WHEN s.patient_number IS NULL THEN {own} ELSE (SELECT {counted}::int FROM study p WHERE"
        " p.patient_number = s.patient_number AND p.patient_issuer IS NOT DISTINCT FROM s.patient_issuer"
        f" AND {_COUNTED}) END"
    )


_SOP_CLASSES: Final = (
    "SELECT DISTINCT c FROM series ce, unnest(ce.sop_classes) AS c WHERE ce.study_instance_uid = s.study_instance_uid"
)
_HAS_CLASS: Final = (
    "EXISTS (SELECT FROM series ce WHERE ce.study_instance_uid = s.study_instance_uid AND ce.sop_classes && {}::text[])"
)
# That a person has yet to say whose it is: the viewer's list shows it, whatever the viewer.
_UNCONFIRMED: Final = (
    "(SELECT 'unconfirmed: another ' || replace(u.contradicted_by, ' ', ', ') || ' than the '"
    " || CASE WHEN u.unconfirmed_order_id IS NULL THEN 'patient' ELSE 'order' END || ' of its number'"
    " FROM study_route u WHERE u.study_instance_uid = s.study_instance_uid AND u.contradicted_by IS NOT NULL)"
)
_CURRENT: Final = "FROM coercion c WHERE c.study_instance_uid = e.study_instance_uid"
_MOVED: Final = f"EXISTS (SELECT {_CURRENT} AND (c.changed ? 'order' OR (c.changed ->> 'without_order')::boolean))"
"""Its study is of another order than its images say, or of none: what they say of their request is said no more."""
_OF_ORDER: Final = f"(SELECT c.changed #>> '{{order,requested_procedure_id}}' {_CURRENT})"
_COLUMNS: Final[Mapping[str, str]] = {
    "StudyDate": "s.study_date",
    "StudyTime": "s.study_time",
    "AccessionNumber": "s.accession_number",
    "ModalitiesInStudy": modalities.COLUMN,
    "ReferringPhysicianName": "s.referring_physician_name",
    "StudyDescription": "s.study_description",
    **coded.COLUMNS,
    "PatientName": "s.patient_name",
    "PatientID": "s.patient_number",
    "IssuerOfPatientID": "s.patient_issuer",
    "PatientBirthDate": "s.patient_birth_date",
    "PatientSex": "s.patient_sex",
    "NumberOfPatientRelatedStudies": _of_patient("count(*)", "1"),
    "NumberOfPatientRelatedSeries": _of_patient("sum(p.number_of_series)", "s.number_of_series"),
    "NumberOfPatientRelatedInstances": _of_patient("sum(p.number_of_instances)", "s.number_of_instances"),
    "SOPClassesInStudy": f"ARRAY({_SOP_CLASSES} ORDER BY 1)",
    "StudyID": "s.study_id",
    "StudyComments": _UNCONFIRMED,
    "NumberOfStudyRelatedSeries": "s.number_of_series",
    "NumberOfStudyRelatedInstances": "s.number_of_instances",
    "Modality": "e.modality",
    "StationName": "e.station_name",
    "SeriesDescription": "e.series_description",
    "BodyPartExamined": "e.body_part_examined",
    "ProtocolName": "e.protocol_name",
    "SeriesInstanceUID": "e.series_instance_uid",
    "SeriesNumber": "e.series_number",
    "Laterality": "e.laterality",
    "NumberOfSeriesRelatedInstances": "e.number_of_instances",
    "PerformedProcedureStepStartDate": "e.performed_step_start_date",
    "PerformedProcedureStepStartTime": "e.performed_step_start_time",
    f"{REQUEST}.ScheduledProcedureStepID": f"CASE WHEN {_MOVED} THEN NULL ELSE e.scheduled_step_id END",
    f"{REQUEST}.RequestedProcedureID": f"CASE WHEN {_MOVED} THEN {_OF_ORDER} ELSE e.requested_procedure_id END",
}
_FURTHER_NAME_GROUPS: Final = {"PatientName": ("s.patient_ideographic", "s.patient_phonetic")}
_NAME_WORDS: Final = {
    "PatientName": "words_of(s.patient_name, s.patient_ideographic, s.patient_phonetic)",
    "ReferringPhysicianName": "words_of(s.referring_physician_name, NULL, NULL)",
}
"""As they are indexed."""
# The newest study speaks for its patient; studies without a patient's number are patients of their own.
_PATIENTS: Final = """(SELECT DISTINCT ON (s.patient_number, s.patient_issuer, own) s.*,
       CASE WHEN s.patient_number IS NULL THEN s.study_instance_uid END AS own
  FROM study s WHERE {} ORDER BY s.patient_number, s.patient_issuer, own, s.study_date DESC) s"""
_ORDER: Final = {
    Level.PATIENT: "s.patient_number, s.patient_issuer, s.study_instance_uid",
    Level.STUDY: "s.study_date DESC, s.study_time DESC NULLS LAST, s.study_instance_uid",
    Level.SERIES: "e.series_number NULLS LAST, e.series_instance_uid",
}
_SHOWN: Final = {
    Level.PATIENT: "s.number_of_instances > 0",
    Level.STUDY: "s.number_of_instances > 0",
    Level.SERIES: "e.number_of_instances > 0",
}
"""What is rejected as a whole is not found."""
_LIKE: Final = str.maketrans({"%": r"\%", "_": r"\_", "\\": r"\\", "*": "%", "?": "_"})


class PostgresSearches:
    """See `storage_service.ports.index.Searches`: patients, studies, series."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def search(self, search: Search) -> Found:
        """One page, newest studies first."""
        sql, values = statement(search)
        rows = await self._pool.fetch(sql, *values)
        keywords = [attribute.keyword for attribute in search.fields]
        found = tuple(values_of(row, keywords) for row in rows[: search.limit])
        return Found(found, more=len(rows) > search.limit)


def statement(search: Search) -> tuple[str, list[object]]:
    """The SQL of a search and its parameters; one row more than wanted tells whether there are more."""
    sql, values = _selected(search)
    return f"{sql} LIMIT ${len(values) + 1} OFFSET ${len(values) + 2}", [*values, search.limit + 1, search.offset]


def series_statement(search: Search, series_keys: Sequence[int] | None) -> tuple[str, list[object]]:
    """The SQL of the series into which a search for instances looks, in order: what is asked of them, and `series_key`.

    Not more than those of `series_keys`, where they are given.
    """
    asked = tuple(condition for condition in search.conditions if condition.attribute.level < Level.INSTANCE)
    fields = tuple(attribute for attribute in search.fields if attribute.level < Level.INSTANCE)
    only: list[tuple[str, object]] = []
    only += [("e.series_key = ANY({}::bigint[])", series_keys)] if series_keys is not None else []
    only += [
        ("e.sop_classes && {}::text[]", list(condition.values))
        for condition in search.conditions
        if isinstance(condition, AnyOf) and condition.attribute.keyword == "SOPClassUID"
    ]
    return _selected(replace(search, level=Level.SERIES, conditions=asked, fields=fields), only, ("e.series_key",))


def _selected(
    search: Search, only: Sequence[tuple[str, object]] = (), more: Sequence[str] = ()
) -> tuple[str, list[object]]:
    values: list[object] = []

    def parameter(value: object) -> str:
        values.append(value)
        return f"${len(values)}"

    in_items = coded.within(search.conditions)
    whose = _identifier(search.conditions)
    together = (*in_items, *whose, *modalities.within(search.conditions))
    alone = (condition for condition in search.conditions if condition not in together)
    wheres = [_where(condition, search.level, parameter) for condition in alone]
    wheres += coded.wheres(in_items, parameter)
    wheres += modalities.wheres(search.conditions, parameter)
    wheres += [_with_identifier(*whose, parameter)] if whose else []
    wheres += [where.format(parameter(value)) for where, value in only]
    wheres.append(_SHOWN[search.level])
    columns = [_column(attribute.keyword, search.level) for attribute in search.fields]
    if search.confirmed_only:
        wheres.append(_CONFIRMED.format("s" if search.level <= Level.STUDY else "e"))
        columns = [each.replace(_COUNTED, f"{_COUNTED} AND {_CONFIRMED.format('p')}") for each in columns]
    for keyword in _FURTHER_NAME_GROUPS.keys() & {attribute.keyword for attribute in search.fields}:
        columns += _FURTHER_NAME_GROUPS[keyword]
    orders = [_ORDER[Level.STUDY]] if search.level > Level.PATIENT and _joins_study(search) else []
    orders += [_ORDER[search.level]] if search.level is not Level.STUDY else []
    where = " AND ".join(wheres)
    tables = _PATIENTS.format(where) if search.level is Level.PATIENT else f"{_tables(search)} WHERE {where}"
    return f"SELECT {', '.join((*columns, *more))} FROM {tables} ORDER BY {', '.join(orders)}", values


def _joins_study(search: Search) -> bool:
    """The study's UID stands in the series too; for anything else its own row is needed."""
    asked = [condition.attribute for condition in search.conditions]
    mentioned = {attribute.keyword for attribute in (*asked, *search.fields) if attribute.level <= Level.STUDY}
    return search.level is Level.STUDY or mentioned != {"StudyInstanceUID"}


def _tables(search: Search) -> str:
    return "study s" if search.level <= Level.STUDY else f"series e{_study_of(search)}"


def _study_of(search: Search) -> str:
    """The way from a series to its study.

    By UID it begins at the series, and the routing row names the partition; else at the studies, newest first.
    """
    if not _joins_study(search):
        return ""
    if any(condition.attribute.by is By.UID for condition in search.conditions):
        return " JOIN study_route r USING (study_instance_uid) JOIN study s USING (study_instance_uid, study_date)"
    return " JOIN study s USING (study_instance_uid)"


def _column(keyword: str, level: Level) -> str:
    if keyword == "StudyInstanceUID":
        return "s.study_instance_uid" if level <= Level.STUDY else "e.study_instance_uid"
    return _COLUMNS[keyword]


def _where(condition: Condition, level: Level, parameter: Callable[[object], str]) -> str:
    column = _column(condition.attribute.keyword, level)
    match condition:
        case Dates():
            return _between_dates(condition, column, parameter)
        case Times():
            bounds = [f"{column} >= {parameter(condition.first)}"] if condition.first else []
            # A time without seconds is the whole minute; "~" sorts after every digit.
            bounds += [f"{column} <= {parameter(condition.last + '~')}"] if condition.last else []
            return " AND ".join(bounds)
        case Moments():
            return _between_moments(condition, column, parameter)
        case Alike():
            return f"{_NAME_WORDS[condition.attribute.keyword]} @@ name_query({parameter(condition.name)})"
        case Like():
            return _like(condition, column, parameter)
        case AnyOf():
            return _any_of(condition, column, parameter)


def _any_of(condition: AnyOf, column: str, parameter: Callable[[object], str]) -> str:
    values = list(condition.values)
    if condition.attribute.keyword == "SOPClassesInStudy":
        return _HAS_CLASS.format(parameter(values))
    if condition.attribute.by is By.NUMBER:
        return f"{column} = ANY({parameter(values)}::int[])"
    if condition.attribute.keyword == "PatientID":
        return f"{column} = ANY({CURRENT_NUMBERS.format(parameter(values))})"
    if len(values) == 1:
        return f"{column} = {parameter(values[0])}"
    return f"{column} = ANY({parameter(values)}::text[])"


def _identifier(conditions: Sequence[Condition]) -> tuple[AnyOf, AnyOf] | tuple[()]:
    """Number and issuer of the patient, where both are asked for: they belong together."""
    asked = {one.attribute.keyword: one for one in conditions if isinstance(one, AnyOf)}
    number, issuer = asked.get("PatientID"), asked.get("IssuerOfPatientID")
    return (number, issuer) if number and issuer else ()


def _with_identifier(number: AnyOf, issuer: AnyOf, parameter: Callable[[object], str]) -> str:
    """Under a number that was merged away is found what is the survivor's, whoever issued that one's number."""
    numbers, issuers = parameter(list(number.values)), parameter(list(issuer.values))
    whose = f"SELECT number, issuer FROM current_identifiers({numbers}::text[], {issuers}::text[])"
    indexed = f"s.patient_number = ANY({CURRENT_NUMBERS.format(numbers)})"
    return f"{indexed} AND (s.patient_number, s.patient_issuer) IN ({whose})"


def _between_dates(condition: Dates, column: str, parameter: Callable[[object], str]) -> str:
    # What has no date lies in no range.
    first = condition.first or (UNDATED + timedelta(days=1))
    bounds = [f"{column} >= {parameter(first)}"]
    bounds += [f"{column} <= {parameter(condition.last)}"] if condition.last else []
    return " AND ".join(bounds)


def _between_moments(condition: Moments, column: str, parameter: Callable[[object], str]) -> str:
    # The dates alone choose partitions and index; what has no time lies at the beginning of its day.
    bounds = [_between_dates(condition.dates, column, parameter)]
    moment = f"({column}, coalesce({_COLUMNS[condition.times.attribute.keyword]}, ''))"
    dates, times = condition.dates, condition.times
    if dates.first and times.first:
        bounds.append(f"{moment} >= ({parameter(dates.first)}, {parameter(times.first)})")
    if dates.last and times.last:
        bounds.append(f"{moment} <= ({parameter(dates.last)}, {parameter(times.last + '~')})")
    return " AND ".join(bounds)


def _like(condition: Like, column: str, parameter: Callable[[object], str]) -> str:
    keyword = condition.attribute.keyword
    patterns = [pattern.translate(_LIKE) for pattern in condition.patterns]
    if keyword == "ModalitiesInStudy":
        return f"EXISTS (SELECT FROM unnest({column}) AS m WHERE m LIKE ANY({parameter(patterns)}::text[]))"
    if keyword in _FURTHER_NAME_GROUPS:
        return _like_name(patterns[0], (column, *_FURTHER_NAME_GROUPS[keyword]), parameter)
    operator = "ILIKE" if condition.attribute.by in {By.WORDS, By.NAME} else "LIKE"
    if len(patterns) > 1:
        return f"{column} {operator} ANY({parameter(patterns)}::text[])"
    return f"{column} {operator} {parameter(patterns[0])}"


def _like_name(pattern: str, groups: Sequence[str], parameter: Callable[[object], str]) -> str:
    """A pattern with `=` speaks of the component groups in their order, one without of any of them (PS3.5 6.2.1.2)."""
    parts = pattern.split("=")
    if len(parts) > 1:
        asked = [
            f"{group} ILIKE {parameter(part.rstrip('^'))}" for group, part in zip(groups, parts, strict=False) if part
        ]
        return " AND ".join(asked) or "true"
    wanted = parameter(pattern.rstrip("^"))
    return "(" + " OR ".join(f"{group} ILIKE {wanted}" for group in groups) + ")"


def values_of(row: Record, keywords: Sequence[str]) -> dict[str, object]:
    """The row of a search, by keyword."""
    values: dict[str, object] = dict(zip(keywords, row.values(), strict=False))
    if values.get("StudyDate") == UNDATED:
        values["StudyDate"] = None
    if "PatientName" in values:
        values["PatientName"] = (values["PatientName"], *tuple(row.values())[len(keywords) :])
    return values
