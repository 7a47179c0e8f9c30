"""Folding instance facts into the index: the facts of a slice in one statement per table."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Final, TypeAlias

from fj_events import InstancesStored

from storage_service.adapters import current, hiding
from storage_service.adapters.rows import (
    PATIENT_COLUMNS,
    instance_values,
    merged,
    route_values,
    series_values,
    study_values,
)
from storage_service.adapters.sql import UNDATED, Database, Row, columns, lock_patients, lock_studies
from storage_service.domain.study import Arrival, Conflict

SeriesUid: TypeAlias = tuple[str, str]
"""Study and series."""

_STUDY_FIELDS: Final = {
    "study_time": "text",
    "accession_number": "text",
    "accession_issuer": "text",
    "study_id": "text",
    "study_description": "text",
    "referring_physician_name": "text",
    "procedure_codes": "jsonb",
    **PATIENT_COLUMNS,
}
_SERIES_FIELDS: Final = {
    "series_number": "int",
    "modality": "text",
    "series_description": "text",
    "body_part_examined": "text",
    "laterality": "text",
    "protocol_name": "text",
    "station_name": "text",
    "performed_step_uid": "text",
    "requested_procedure_id": "text",
    "scheduled_step_id": "text",
}


def _arrays(types: Iterable[str], first: int = 1) -> str:
    return ", ".join(f"${number}::{type_}[]" for number, type_ in enumerate(types, first))


_MOVE: Final = """
UPDATE study SET study_date = moved.to_date FROM unnest($1::text[], $2::date[]) AS moved (uid, to_date)
 WHERE study_instance_uid = moved.uid AND study_date = $3
"""
# What the first instance said stays; what it left out is filled in by a later one.
_STUDY: Final = f"""
INSERT INTO study (study_instance_uid, study_date, patient, {", ".join(_STUDY_FIELDS)})
SELECT * FROM unnest({_arrays(("text", "date", "jsonb", *_STUDY_FIELDS.values()))})
ON CONFLICT (study_instance_uid, study_date) DO UPDATE
   SET {", ".join(f"{name} = coalesce(study.{name}, excluded.{name})" for name in _STUDY_FIELDS)}
"""
_SERIES: Final = f"""
INSERT INTO series (study_instance_uid, series_instance_uid, {", ".join(_SERIES_FIELDS)})
SELECT * FROM unnest({_arrays(("text", "text", *_SERIES_FIELDS.values()))})
ON CONFLICT (study_instance_uid, series_instance_uid) DO UPDATE
   SET {", ".join(f"{name} = coalesce(series.{name}, excluded.{name})" for name in _SERIES_FIELDS)}
RETURNING study_instance_uid, series_instance_uid, series_key, number_of_instances
"""
_PACK: Final = """
WITH given AS (
    SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[])
        AS p (bucket, key, size, sha256, study_instance_uid)
), made AS (
    INSERT INTO pack (bucket, key, size, sha256, study_instance_uid)
    SELECT * FROM given ORDER BY 1, 2 ON CONFLICT DO NOTHING
    RETURNING bucket, key, pack_key
)
SELECT * FROM made UNION ALL SELECT bucket, key, pack_key FROM pack JOIN given USING (bucket, key)
"""
_INSTANCES: Final = """
WITH given AS (
    SELECT DISTINCT ON (series_key, sop_instance_uid, sha256) *
      FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::int[], $7::int[], $8::int[],
                  $9::int[], $10::bigint[], $11::bigint[], $12::int[], $13::bytea[])
           WITH ORDINALITY AS row (series_key, pack_key, sop_instance_uid, sop_class_uid, transfer_syntax_uid,
                                   instance_number, rows, columns, number_of_frames, pack_offset, length, data_offset,
                                   sha256, ordinal)
     ORDER BY series_key, sop_instance_uid, sha256, ordinal
), known AS (
    SELECT i.series_key, i.sop_instance_uid, i.sha256, i.revision FROM instance i
     WHERE i.sop_instance_uid = ANY($3::text[] COLLATE "C") AND i.series_key = ANY($1::bigint[])
), fresh AS (
    SELECT given.*,
           coalesce((SELECT max(k.revision) + 1 FROM known k
                      WHERE k.series_key = given.series_key AND k.sop_instance_uid = given.sop_instance_uid), 0)
           + row_number() OVER (PARTITION BY series_key, sop_instance_uid ORDER BY ordinal) - 1 AS revision
      FROM given
     WHERE NOT EXISTS (SELECT FROM known k WHERE k.series_key = given.series_key
                          AND k.sop_instance_uid = given.sop_instance_uid AND k.sha256 = given.sha256)
), added AS (
    INSERT INTO instance (sop_instance_uid, series_key, revision, sop_class_uid, transfer_syntax_uid, instance_number,
                          rows, columns, number_of_frames, pack_key, pack_offset, length, data_offset, sha256)
    SELECT sop_instance_uid, series_key, revision, sop_class_uid, transfer_syntax_uid, instance_number, rows, columns,
           number_of_frames, pack_key, pack_offset, length, data_offset, sha256
      FROM fresh
    RETURNING series_key, sop_instance_uid, revision, sha256
), firsts AS (
    SELECT series_key, sop_instance_uid, sha256 FROM known WHERE revision = 0
     UNION ALL SELECT series_key, sop_instance_uid, sha256 FROM added WHERE revision = 0
)
SELECT series_key, count(*) FILTER (WHERE revision = 0) AS added,
       array_agg(ROW (sop_instance_uid, revision, encode(sha256, 'hex'),
                      (SELECT encode(f.sha256, 'hex') FROM firsts f WHERE f.series_key = added.series_key
                          AND f.sop_instance_uid = added.sop_instance_uid))) FILTER (WHERE revision > 0) AS conflicts
  FROM added GROUP BY series_key
"""
_COUNT_SERIES: Final = """
UPDATE series SET number_of_instances = number_of_instances + more.added
  FROM unnest($1::bigint[], $2::int[]) AS more (series_key, added) WHERE series.series_key = more.series_key
"""
_COUNT_STUDY: Final = """
UPDATE study
   SET number_of_instances = study.number_of_instances + more.added,
       number_of_series = study.number_of_series + more.series,
       modalities = ARRAY(SELECT unnest(study.modalities) UNION SELECT string_to_table(more.modalities, E'\\\\')
                           ORDER BY 1)
  FROM unnest($1::text[], $2::date[], $3::int[], $4::int[], $5::text[]) AS more (uid, day, added, series, modalities)
 WHERE study_instance_uid = more.uid AND study_date = more.day
"""
_ROUTE: Final = """
UPDATE study_route r
   SET study_date = n.study_date, site = coalesce(r.site, n.site),
       accession_number = coalesce(r.accession_number, n.accession_number),
       accession_issuer = coalesce(r.accession_issuer, n.accession_issuer),
       patient_id = coalesce(r.patient_id, n.patient_id),
       calling_ae_title = coalesce(r.calling_ae_title, n.calling_ae_title),
       received_at = coalesce(r.received_at, n.first_at),
       last_instance_at = greatest(r.last_instance_at, n.last_at), heard_at = greatest(r.heard_at, n.heard_at)
  FROM unnest($1::text[], $2::date[], $3::text[], $4::text[], $5::text[], $6::uuid[], $7::text[],
              $8::timestamptz[], $9::timestamptz[], $10::timestamptz[])
       AS n (uid, study_date, site, accession_number, accession_issuer, patient_id, calling_ae_title, first_at, last_at,
             heard_at)
 WHERE r.study_instance_uid = n.uid
"""


async def add_instances(db: Database, facts: Sequence[InstancesStored], heard_at: datetime) -> dict[str, Arrival]:
    """Fold the facts of a slice; by study. The studies are locked; what is here already changes nothing."""
    await lock_patients(db, {fact.patient_id for fact in facts if fact.patient_id})
    routes = await lock_studies(db, (fact.study_instance_uid for fact in facts))
    dates = {uid: _date(row, facts) for uid, row in routes.items()}
    await _put_studies(db, facts, routes, dates)
    series = await _put_series(db, facts)
    counted = await _put_instances(db, facts, series)
    added: dict[str, int] = defaultdict(int)
    conflicts: dict[str, list[Conflict]] = defaultdict(list)
    for (study, series_uid), row in series.items():
        count = counted.get(row["series_key"])
        if count:
            added[study] += count["added"]
            conflicts[study] += [Conflict(series_uid, *conflict) for conflict in count["conflicts"] or ()]
    await _count(db, facts, series, counted, dates)
    await hiding.count_where_rejected(db, added)
    await _put_routes(db, facts, dates, {study: heard_at for study, count in added.items() if count})
    await current.tell(db, facts)
    await current.see(db, routes)
    return {
        uid: Arrival(
            first=row["received_at"] is None,
            late=row["available_at"] is not None,
            added=added[uid],
            conflicts=tuple(conflicts[uid]),
            returned=_returned(row, facts),
        )
        for uid, row in routes.items()
    }


def _returned(route: Row, facts: Iterable[InstancesStored]) -> bool:
    """Whether any of them was received after the study was retired: a rebuild recalls nothing."""
    uid, retired_at = route["study_instance_uid"], route["retired_at"]
    return retired_at is not None and any(f.study_instance_uid == uid and f.received_at > retired_at for f in facts)


def _date(route: Row, facts: Iterable[InstancesStored]) -> date:
    """The study date: the first that is known stays."""
    own = (fact.study.study_date for fact in facts if fact.study_instance_uid == route["study_instance_uid"])
    known = next((day for day in own if day), UNDATED)
    return known if route["study_date"] in {None, UNDATED} else route["study_date"]


async def _put_studies(
    db: Database, facts: Sequence[InstancesStored], routes: Mapping[str, Row], dates: Mapping[str, date]
) -> None:
    moved = [(uid, dates[uid]) for uid, row in routes.items() if row["study_date"] not in {None, dates[uid]}]
    if moved:
        await db.execute(_MOVE, *columns(moved, 2), UNDATED)
    patients = {fact.study_instance_uid: fact.patient for fact in reversed(facts)}
    values = merged((fact.study_instance_uid, study_values(fact)) for fact in facts)
    rows = [(uid, dates[uid], patients[uid].model_dump_json(exclude_none=True), *row) for uid, row in values.items()]
    await db.execute(_STUDY, *columns(rows, 3 + len(_STUDY_FIELDS)))


async def _put_series(db: Database, facts: Sequence[InstancesStored]) -> dict[SeriesUid, Row]:
    values = merged((_series_of(fact), series_values(fact)) for fact in facts)
    rows = [(*uids, *row) for uids, row in sorted(values.items(), key=lambda item: item[0])]
    put = await db.fetch(_SERIES, *columns(rows, 2 + len(_SERIES_FIELDS)))
    return {(row["study_instance_uid"], row["series_instance_uid"]): row for row in put}


async def _put_instances(
    db: Database, facts: Sequence[InstancesStored], series: Mapping[SeriesUid, Row]
) -> dict[int, Row]:
    packs = {
        (fact.pack.bucket, fact.pack.key): (fact.pack.size, fact.pack.sha256, fact.study_instance_uid) for fact in facts
    }
    known = await db.fetch(_PACK, *columns([(*names, *values) for names, values in packs.items()], 5))
    pack_keys = {(row["bucket"], row["key"]): row["pack_key"] for row in known}
    rows = [
        (series[_series_of(fact)]["series_key"], pack_keys[fact.pack.bucket, fact.pack.key], *instance_values(stored))
        for fact in facts
        for stored in fact.instances
    ]
    return {row["series_key"]: row for row in await db.fetch(_INSTANCES, *columns(rows, 13))}


async def _count(
    db: Database,
    facts: Sequence[InstancesStored],
    series: Mapping[SeriesUid, Row],
    counted: Mapping[int, Row],
    dates: Mapping[str, date],
) -> None:
    grown = {uids: counted[row["series_key"]]["added"] for uids, row in series.items() if row["series_key"] in counted}
    if not any(grown.values()):
        return
    await db.execute(_COUNT_SERIES, *columns([(series[uids]["series_key"], n) for uids, n in grown.items()], 2))
    modalities = {_series_of(fact): fact.series.modality for fact in facts if fact.series.modality}
    rows = []
    for study in {study for study, _ in grown}:
        own = [uids for uids in grown if uids[0] == study and grown[uids]]
        new = sum(series[uids]["number_of_instances"] == 0 for uids in own)
        shown = "\\".join(sorted({modalities[uids] for uids in own if uids in modalities}))
        rows.append((study, dates[study], sum(grown[uids] for uids in own), new, shown or None))
    await db.execute(_COUNT_STUDY, *columns(rows, 5))


async def _put_routes(
    db: Database, facts: Sequence[InstancesStored], dates: Mapping[str, date], heard: Mapping[str, datetime]
) -> None:
    """`heard`: the studies that have grown; only they have had a sign of life."""
    values = merged((fact.study_instance_uid, route_values(fact)) for fact in facts)
    rows = []
    for uid, row in values.items():
        times = [fact.received_at for fact in facts if fact.study_instance_uid == uid]
        signs = (min(times), max(times), heard[uid]) if uid in heard else (None, None, None)
        rows.append((uid, dates[uid], *row, *signs))
    await db.execute(_ROUTE, *columns(rows, 10))


def _series_of(fact: InstancesStored) -> SeriesUid:
    return fact.study_instance_uid, fact.series_instance_uid
