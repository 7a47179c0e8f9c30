"""Folding instance facts into the index: the facts of a slice in one statement per table."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Final, TypeAlias

from fj_events import InstancesStored

from storage_service.adapters import current, hiding, manifests
from storage_service.adapters.manifests import Added
from storage_service.adapters.rows import (
    PATIENT_COLUMNS,
    entry_of,
    merged,
    route_values,
    series_values,
    study_values,
)
from storage_service.adapters.sql import UNDATED, Database, Row, columns, lock_known, lock_studies
from storage_service.domain.manifest import Entry
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
    "requested_procedure_codes": "jsonb",
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
    "performed_step_start_date": "date",
    "performed_step_start_time": "text",
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
_COUNT_SERIES: Final = """
UPDATE series
   SET number_of_instances = number_of_instances + more.added,
       conflicting_instances = conflicting_instances + more.conflicts,
       sop_classes = ARRAY(SELECT unnest(series.sop_classes) UNION SELECT string_to_table(more.classes, E'\\\\')
                            ORDER BY 1)
  FROM unnest($1::bigint[], $2::int[], $3::int[], $4::text[]) AS more (series_key, added, conflicts, classes)
 WHERE series.series_key = more.series_key
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
    await lock_known(db, {fact.patient_id for fact in facts if fact.patient_id})
    routes = await lock_studies(db, (fact.study_instance_uid for fact in facts))
    dates = {uid: _date(row, facts) for uid, row in routes.items()}
    await _put_studies(db, facts, routes, dates)
    series = await _put_series(db, facts)
    grown = await _put_instances(db, facts, series)
    added: dict[str, int] = defaultdict(int)
    conflicts: dict[str, list[Conflict]] = defaultdict(list)
    for (study, series_uid), more in grown.items():
        added[study] += len(more.current)
        conflicts[study] += [_conflict(series_uid, *pair) for pair in more.conflicts]
    await _count(db, facts, series, grown, dates)
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
) -> dict[SeriesUid, Added]:
    packs = {
        (fact.pack.bucket, fact.pack.key): (fact.pack.size, fact.pack.sha256, fact.study_instance_uid) for fact in facts
    }
    known = await db.fetch(_PACK, *columns([(*names, *values) for names, values in packs.items()], 5))
    pack_keys = {(row["bucket"], row["key"]): row["pack_key"] for row in known}
    given = [
        (
            series[_series_of(fact)]["series_key"],
            pack_keys[fact.pack.bucket, fact.pack.key],
            list(map(entry_of, fact.instances)),
        )
        for fact in facts
    ]
    added = await manifests.add(db, given)
    return {uids: added[row["series_key"]] for uids, row in series.items() if row["series_key"] in added}


async def _count(
    db: Database,
    facts: Sequence[InstancesStored],
    series: Mapping[SeriesUid, Row],
    grown: Mapping[SeriesUid, Added],
    dates: Mapping[str, date],
) -> None:
    if not grown:
        return
    counts = [
        (
            series[uids]["series_key"],
            len(more.current),
            len(more.conflicts),
            _listed({entry.sop_class_uid for entry in more.current}),
        )
        for uids, more in grown.items()
    ]
    await db.execute(_COUNT_SERIES, *columns(counts, 4))
    modalities = {_series_of(fact): fact.series.modality for fact in facts if fact.series.modality}
    rows = []
    for study in {study for study, _ in grown}:
        own = [uids for uids, more in grown.items() if uids[0] == study and more.current]
        new = sum(series[uids]["number_of_instances"] == 0 for uids in own)
        shown = _listed({modalities[uids] for uids in own if uids in modalities})
        rows.append((study, dates[study], sum(len(grown[uids].current) for uids in own), new, shown))
    await db.execute(_COUNT_STUDY, *columns(rows, 5))


def _listed(values: Collection[str]) -> str | None:
    """Several values as one (PS3.5 section 6.4): a list of lists is no parameter."""
    return "\\".join(sorted(values)) or None


def _conflict(series_instance_uid: str, entry: Entry, current: Entry) -> Conflict:
    digests = entry.sha256.hex(), current.sha256.hex()
    return Conflict(series_instance_uid, entry.sop_instance_uid, entry.revision, *digests)


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
