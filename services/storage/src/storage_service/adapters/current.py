"""What is known now of patient and order of a study: in the columns that are searched, and for what is retrieved."""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final
from uuid import UUID

from fj_events import CodedConcept, Identifier, InstancesStored, PatientPhi

from storage_service.adapters.rows import PATIENT_COLUMNS, codes_value, patient_values
from storage_service.adapters.sql import Database, Row, columns, lock_known, lock_studies
from storage_service.domain.coercion import Changed, Coercion, Ordered, Told, changed, combined, requested

_TELL: Final = """
INSERT INTO told (study_instance_uid, digest, told)
SELECT uid, sha256(convert_to(said::text, 'UTF8')), said FROM unnest($1::text[], $2::jsonb[]) AS t (uid, said)
ON CONFLICT DO NOTHING
"""
# An order says whose its images are; only an order that knows no registration speaks for its patient itself. Images
# that contradict the order of their number speak for themselves until a person has looked.
_KNOWN: Final = """
SELECT r.study_instance_uid, r.study_date, r.site, o.accession_number, o.accession_issuer, o.requested_procedure_id,
       o.procedure, CASE WHEN r.contradicted_by IS NULL THEN
           coalesce(k.patient, (
               SELECT v.survivor FROM survivor v WHERE v.patient_id = w.named AND v.survivor_id = w.whose LIMIT 1
           ), CASE WHEN w.whose = o.patient_id THEN o.patient END) END AS patient,
       ARRAY(SELECT t.told FROM told t WHERE t.study_instance_uid = r.study_instance_uid ORDER BY t.number) AS told,
       r.order_id IS NULL AND r.matched_by IS NOT DISTINCT FROM 'person' AND EXISTS (
           SELECT FROM known_order n
            WHERE n.accession_number = r.accession_number AND n.accession_issuer = r.accession_issuer) AS orderless,
       c.changed, s.requested_procedure_codes
  FROM study_route r LEFT JOIN known_order o ON o.order_id = r.order_id
       LEFT JOIN study s ON s.study_instance_uid = r.study_instance_uid AND s.study_date = r.study_date
       CROSS JOIN LATERAL (
           SELECT coalesce(o.patient_id, r.patient_id) AS named,
                  survivor_of(coalesce(o.patient_id, r.patient_id), coalesce(o.placed_at, r.received_at)) AS whose) w
       LEFT JOIN known_patient k ON k.patient_id = w.whose
       LEFT JOIN coercion c ON c.study_instance_uid = r.study_instance_uid
 WHERE r.study_instance_uid = ANY($1::text[]) AND r.received_at IS NOT NULL
"""
_SEARCHED: Final = {
    **PATIENT_COLUMNS,
    "accession_number": "text",
    "accession_issuer": "text",
    "study_description": "text",
    "procedure_codes": "jsonb",
}
_SEARCH: Final = f"""
UPDATE study s SET {", ".join(f"{name} = n.{name}" for name in _SEARCHED)}
  FROM unnest($1::text[], $2::date[], {", ".join(f"${n}::{type_}[]" for n, type_ in enumerate(_SEARCHED.values(), 3))})
       AS n (uid, day, {", ".join(_SEARCHED)})
 WHERE s.study_instance_uid = n.uid AND s.study_date = n.day
"""
_ASK_FOR: Final = """
UPDATE study s SET requested_procedure_codes = n.codes
  FROM unnest($1::text[], $2::date[], $3::jsonb[]) AS n (uid, day, codes)
 WHERE s.study_instance_uid = n.uid AND s.study_date = n.day
"""
_COERCE: Final = """
INSERT INTO coercion (study_instance_uid, changed, at, site)
SELECT uid, what, now(), from_site FROM unnest($1::text[], $2::jsonb[], $3::text[]) AS t (uid, what, from_site)
ON CONFLICT (study_instance_uid) DO UPDATE SET changed = excluded.changed, at = excluded.at
"""
_LEAVE: Final = "DELETE FROM coercion WHERE study_instance_uid = ANY($1::text[])"
_PUT_PATIENT: Final = """
INSERT INTO known_patient (patient_id, patient) VALUES ($1, $2)
ON CONFLICT (patient_id) DO UPDATE SET patient = excluded.patient
"""
_MERGED_INTO: Final = "SELECT patient_id FROM survivor WHERE survivor_id = $1"
_OF_PATIENTS: Final = """
SELECT study_instance_uid FROM study_route WHERE patient_id = ANY($1::uuid[]) AND received_at IS NOT NULL
 UNION SELECT r.study_instance_uid FROM known_order o JOIN study_route r USING (order_id)
        WHERE o.patient_id = ANY($1::uuid[]) AND r.received_at IS NOT NULL
"""
_NOT_TOLD: Final = {"address", "phone", "other_ids", "key_id", "ciphertext"}
_SAME: Final = Changed()


COERCED: Final = "c.changed, c.at AS changed_at, c.site AS changed_site"
"""Of a row of `coercion`, joined as `c`: what `coercion_of` reads."""


def coercion_of(row: Row) -> Coercion | None:
    """What objects of a study say instead of what is stored."""
    text = row["changed"]
    return _coercion(text, row["changed_at"], row["changed_site"]) if text is not None else None


async def tell(db: Database, facts: Iterable[InstancesStored]) -> None:
    """Images came: keep what they say."""
    said = {(fact.study_instance_uid, _told(fact).model_dump_json(exclude_none=True)) for fact in facts}
    await db.execute(_TELL, *columns(sorted(said), 2))


async def follow(db: Database, patient_ids: Collection[UUID], moved: UUID) -> None:
    """After the row of a number has changed: the studies under it are somebody else's."""
    await lock_known(db, patient_ids)
    await _see(db, [moved])


async def put_patient(db: Database, patient_id: UUID, patient: PatientPhi) -> None:
    """A registration system says who somebody is: the studies of that person say so too."""
    merged = [row["patient_id"] for row in await db.fetch(_MERGED_INTO, patient_id)]
    await lock_known(db, merged)
    await db.execute(_PUT_PATIENT, patient_id, patient.model_dump_json(exclude_none=True))
    await _see(db, [patient_id, *merged])


async def see(db: Database, study_instance_uids: Collection[str]) -> None:
    """Compare what the images of these studies say with what is known now. The caller has their locks."""
    coerced: list[tuple[str, str, str]] = []
    searched: list[tuple[object, ...]] = []
    left: list[str] = []
    asked_for: list[tuple[object, ...]] = []
    for row in await db.fetch(_KNOWN, list(study_instance_uids)):
        told = [Told.model_validate_json(one) for one in row["told"]]
        if not told:
            continue  # its images are being indexed anew
        before = Changed.model_validate_json(row["changed"]) if row["changed"] else _SAME
        order = _order(row)
        change = changed(told, _patient(row["patient"]), order, orderless=row["orderless"])
        asked_for += _asked_for(row, requested(told, change, order))
        if change == before:
            if change != _SAME:  # a new image has brought its own words into the columns
                searched.append(_searched(row, combined(told, change)))
            continue
        searched.append(_searched(row, combined(told, change)))
        if change == _SAME:
            left.append(row["study_instance_uid"])
        else:
            coerced.append((row["study_instance_uid"], change.model_dump_json(exclude_none=True), row["site"]))
    if searched:
        await db.execute(_SEARCH, *columns(searched, 2 + len(_SEARCHED)))
    if asked_for:
        await db.execute(_ASK_FOR, *columns(asked_for, 3))
    if coerced:
        await db.execute(_COERCE, *columns(coerced, 3))
    if left:
        await db.execute(_LEAVE, left)


async def _see(db: Database, patient_ids: list[UUID]) -> None:
    uids = [row["study_instance_uid"] for row in await db.fetch(_OF_PATIENTS, patient_ids)]
    if uids:
        await lock_studies(db, uids)
        await see(db, uids)


@lru_cache(maxsize=256)
def _coercion(text: str, at: datetime, site: str) -> Coercion:
    """The instances of a study share it."""
    return Coercion(Changed.model_validate_json(text), at, site)


def _told(fact: InstancesStored) -> Told:
    return Told(
        patient=fact.patient.model_copy(update=dict.fromkeys(_NOT_TOLD) | {"other_ids": ()}),
        accession_number=fact.accession_number,
        requested_procedure_id=fact.series.requested_procedure_id,
        description=fact.study.description,
        procedure_codes=fact.study.procedure_codes or (),
        requested_procedure_codes=fact.study.requested_procedure_codes,
    )


def _patient(text: str | None) -> PatientPhi | None:
    return PatientPhi.model_validate_json(text, extra="ignore") if text else None


def _order(row: Row) -> Ordered | None:
    if row["accession_number"] is None:
        return None
    procedure = row["procedure"]
    return Ordered(
        accession_number=Identifier(value=row["accession_number"], issuer=row["accession_issuer"]),
        requested_procedure_id=row["requested_procedure_id"],
        procedure=CodedConcept.model_validate_json(procedure, extra="ignore") if procedure else None,
    )


def _asked_for(row: Row, codes: Sequence[CodedConcept]) -> Iterator[tuple[object, ...]]:
    """The column, where the study is not found by these codes already."""
    text = row["requested_procedure_codes"]
    if [CodedConcept.model_validate(one) for one in json.loads(text or "[]")] != list(codes):
        yield row["study_instance_uid"], row["study_date"], codes_value(codes)


def _searched(row: Row, said: Told) -> tuple[object, ...]:
    number = said.accession_number
    return (
        row["study_instance_uid"],
        row["study_date"],
        *patient_values(said.patient),
        number.value if number else None,
        number.issuer if number else None,
        said.description,
        codes_value(said.procedure_codes),
    )
