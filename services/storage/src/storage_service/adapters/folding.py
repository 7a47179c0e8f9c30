"""Folding instance facts into the index: sets of rows, never one by one."""

from datetime import date, datetime
from typing import Final

from fj_events import InstancesStored, PatientPhi

from storage_service.adapters.sql import UNDATED, Database, lock_study
from storage_service.domain.study import Arrival

_ROUTE: Final = """
UPDATE study_route
   SET study_date = $2, site = coalesce(site, $3), accession_number = coalesce(accession_number, $4),
       accession_issuer = coalesce(accession_issuer, $5), patient_id = coalesce(patient_id, $6),
       received_at = coalesce(received_at, $7), last_instance_at = greatest(last_instance_at, $7),
       heard_at = greatest(heard_at, $8)
 WHERE study_instance_uid = $1
"""
_STUDY_FIELDS: Final = (
    "study_time",
    "accession_number",
    "accession_issuer",
    "study_id",
    "study_description",
    "referring_physician_name",
    "patient_number",
    "patient_issuer",
    "patient_name",
    "patient_ideographic",
    "patient_phonetic",
    "patient_birth_date",
    "patient_sex",
)
_SERIES_FIELDS: Final = (
    "series_number",
    "modality",
    "series_description",
    "body_part_examined",
    "laterality",
    "protocol_name",
    "station_name",
    "performed_step_uid",
    "requested_procedure_id",
    "scheduled_step_id",
)
_MOVE: Final = "UPDATE study SET study_date = $3 WHERE study_instance_uid = $1 AND study_date = $2"
# What the first instance said stays; what it left out is filled in by a later one.
_STUDY: Final = f"""
INSERT INTO study (study_instance_uid, study_date, patient, {", ".join(_STUDY_FIELDS)})
VALUES ($1, $2, $3, {", ".join(f"${number}" for number in range(4, 4 + len(_STUDY_FIELDS)))})
ON CONFLICT (study_instance_uid, study_date) DO UPDATE
   SET {", ".join(f"{name} = coalesce(study.{name}, excluded.{name})" for name in _STUDY_FIELDS)}
"""
_SERIES: Final = f"""
INSERT INTO series (study_instance_uid, series_instance_uid, {", ".join(_SERIES_FIELDS)})
VALUES ($1, $2, {", ".join(f"${number}" for number in range(3, 3 + len(_SERIES_FIELDS)))})
ON CONFLICT (study_instance_uid, series_instance_uid) DO UPDATE
   SET {", ".join(f"{name} = coalesce(series.{name}, excluded.{name})" for name in _SERIES_FIELDS)}
RETURNING series_key, number_of_instances
"""
_PACK: Final = """
WITH made AS (
    INSERT INTO pack (bucket, key, size, sha256) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING pack_key
)
SELECT pack_key FROM made UNION ALL SELECT pack_key FROM pack WHERE bucket = $1 AND key = $2
"""
_INSTANCES: Final = """
WITH given AS (
    SELECT DISTINCT ON (sop_instance_uid, sha256) *
      FROM unnest($3::text[], $4::text[], $5::text[], $6::int[], $7::int[], $8::int[], $9::int[], $10::bigint[],
                  $11::bigint[], $12::int[], $13::bytea[])
           WITH ORDINALITY AS row (sop_instance_uid, sop_class_uid, transfer_syntax_uid, instance_number, rows, columns,
                                   number_of_frames, pack_offset, length, data_offset, sha256, ordinal)
     ORDER BY sop_instance_uid, sha256, ordinal
), known AS (
    SELECT i.sop_instance_uid, i.sha256, i.revision FROM instance i
     WHERE i.series_key = $1 AND i.sop_instance_uid = ANY($3::text[] COLLATE "C")
), fresh AS (
    SELECT given.*,
           coalesce((SELECT max(k.revision) + 1 FROM known k WHERE k.sop_instance_uid = given.sop_instance_uid), 0)
           + row_number() OVER (PARTITION BY sop_instance_uid ORDER BY ordinal) - 1 AS revision
      FROM given
     WHERE NOT EXISTS (SELECT FROM known k
                        WHERE k.sop_instance_uid = given.sop_instance_uid AND k.sha256 = given.sha256)
), added AS (
    INSERT INTO instance (sop_instance_uid, series_key, revision, sop_class_uid, transfer_syntax_uid, instance_number,
                          rows, columns, number_of_frames, pack_key, pack_offset, length, data_offset, sha256)
    SELECT sop_instance_uid, $1, revision, sop_class_uid, transfer_syntax_uid, instance_number, rows, columns,
           number_of_frames, $2, pack_offset, length, data_offset, sha256
      FROM fresh
    RETURNING revision
)
SELECT count(*) FILTER (WHERE revision = 0) AS added, count(*) FILTER (WHERE revision > 0) AS conflicting FROM added
"""
_COUNT: Final = """
WITH counted AS (
    UPDATE series SET number_of_instances = number_of_instances + $3 WHERE series_key = $4
)
UPDATE study
   SET number_of_instances = number_of_instances + $3, number_of_series = number_of_series + $5,
       modalities = CASE WHEN $6::text IS NULL OR $6 = ANY(modalities) THEN modalities
                         ELSE (SELECT array_agg(m ORDER BY m) FROM unnest(modalities || $6::text) AS m) END
 WHERE study_instance_uid = $1 AND study_date = $2
"""


async def add_instances(db: Database, fact: InstancesStored, heard_at: datetime) -> Arrival:
    """Fold one fact. The study is locked; what is here already changes nothing."""
    route = await lock_study(db, fact.study_instance_uid)
    before = route["study_date"]
    study_date = before if before not in {None, UNDATED} else fact.study.study_date or UNDATED
    await _put_study(db, fact, before, study_date)
    series = await db.fetchrow(_SERIES, fact.study_instance_uid, fact.series_instance_uid, *_series_values(fact))
    if series is None:
        raise LookupError(fact.series_instance_uid)  # an upsert always returns its row
    added, conflicting = await _put_instances(db, fact, series["series_key"])
    if added:
        new_series = int(series["number_of_instances"] == 0)
        modality = fact.series.modality
        key = series["series_key"]
        await db.execute(_COUNT, fact.study_instance_uid, study_date, added, key, new_series, modality)
    await _put_route(db, fact, study_date, heard_at if added else None)
    return Arrival(
        first=route["received_at"] is None,
        late=route["available_at"] is not None,
        added=added,
        conflicting=conflicting,
    )


async def _put_study(db: Database, fact: InstancesStored, before: date | None, study_date: date) -> None:
    if before is not None and before != study_date:
        await db.execute(_MOVE, fact.study_instance_uid, before, study_date)
    patient = fact.patient.model_dump_json(exclude_none=True)
    await db.execute(_STUDY, fact.study_instance_uid, study_date, patient, *_study_values(fact))


async def _put_route(db: Database, fact: InstancesStored, study_date: date, heard_at: datetime | None) -> None:
    accession = fact.accession_number
    await db.execute(
        _ROUTE,
        fact.study_instance_uid,
        study_date,
        fact.site,
        accession.value if accession else None,
        accession.issuer if accession else None,
        fact.patient_id,
        fact.received_at if heard_at else None,
        heard_at,
    )


async def _put_instances(db: Database, fact: InstancesStored, series_key: int) -> tuple[int, int]:
    pack = fact.pack
    pack_key = await db.fetchval(_PACK, pack.bucket, pack.key, pack.size, pack.sha256)
    rows = [
        (
            stored.sop_instance_uid,
            stored.sop_class_uid,
            stored.transfer_syntax_uid,
            stored.number,
            stored.rows,
            stored.columns,
            stored.frames,
            stored.offset,
            stored.length,
            stored.data_offset,
            bytes.fromhex(stored.sha256),
        )
        for stored in fact.instances
    ]
    counted = await db.fetchrow(_INSTANCES, series_key, pack_key, *(list(column) for column in zip(*rows, strict=True)))
    return (counted["added"], counted["conflicting"]) if counted else (0, 0)


def _study_values(fact: InstancesStored) -> tuple[object, ...]:
    """In the order of `_STUDY_FIELDS`."""
    accession, number, patient, study = fact.accession_number, fact.patient.id, fact.patient, fact.study
    return (
        study.study_time,
        accession.value if accession else None,
        accession.issuer if accession else None,
        study.study_id,
        study.description,
        study.referring_physician,
        number.value if number else None,
        number.issuer if number else None,
        alphabetic(patient),
        patient.ideographic_name,
        patient.phonetic_name,
        patient.birth_date,
        patient.sex,
    )


def _series_values(fact: InstancesStored) -> tuple[object, ...]:
    """In the order of `_SERIES_FIELDS`."""
    series = fact.series
    return (
        series.number,
        series.modality,
        series.description,
        series.body_part,
        series.laterality,
        series.protocol_name,
        series.station_name,
        series.performed_step_uid,
        series.requested_procedure_id,
        series.scheduled_step_id,
    )


def alphabetic(patient: PatientPhi) -> str | None:
    """The alphabetic component group of a person name (PS3.5 section 6.2.1.1)."""
    parts = (patient.family_name, patient.given_name, patient.middle_name, patient.prefix, patient.suffix)
    return "^".join(part or "" for part in parts).rstrip("^") or None
