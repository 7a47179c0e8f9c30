"""The statements of reporting."""

from typing import Final

KEEP_ORDER: Final = """
INSERT INTO orders (order_id, site, details, placer_value, placer_issuer, accession_value, accession_issuer,
                    study_instance_uid, patient_id, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (order_id) DO UPDATE
   SET details = excluded.details, placer_value = excluded.placer_value, placer_issuer = excluded.placer_issuer,
       accession_value = excluded.accession_value, accession_issuer = excluded.accession_issuer,
       study_instance_uid = excluded.study_instance_uid, patient_id = excluded.patient_id,
       recorded_at = least(orders.recorded_at, excluded.recorded_at)
"""
KEEP_STUDY: Final = """
INSERT INTO studies AS s (study_instance_uid, site, accession_value, accession_issuer, patient_id, patient, modalities,
                          description, number_of_instances, available_at, recorded_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, coalesce($9, 0), $10, $11)
ON CONFLICT (study_instance_uid) DO UPDATE
   SET accession_value = excluded.accession_value, accession_issuer = excluded.accession_issuer,
       patient_id = excluded.patient_id, patient = excluded.patient, modalities = excluded.modalities,
       description = excluded.description, number_of_instances = coalesce($9, s.number_of_instances),
       available_at = coalesce(s.available_at, excluded.available_at),
       recorded_at = least(s.recorded_at, excluded.recorded_at)
"""
LINK: Final = """
INSERT INTO studies (study_instance_uid, site, order_id) VALUES ($1, $2, $3)
ON CONFLICT (study_instance_uid) DO UPDATE
   SET order_id = excluded.order_id, contradicted_by = '{}', unconfirmed_order_id = NULL
"""
# Taken off its order, a study is none's without a person's word or a match, also when a later link is undone.
RELINK: Final = """
INSERT INTO studies AS s (study_instance_uid, site, order_id, taken_off) VALUES ($1, $2, $3, $4)
ON CONFLICT (study_instance_uid) DO UPDATE
   SET order_id = excluded.order_id, contradicted_by = '{}', unconfirmed_order_id = NULL,
       taken_off = s.taken_off OR excluded.taken_off
"""
DOUBT: Final = """
INSERT INTO studies (study_instance_uid, site, contradicted_by, unconfirmed_order_id) VALUES ($1, $2, $3, $4)
ON CONFLICT (study_instance_uid) DO UPDATE
   SET contradicted_by = excluded.contradicted_by, unconfirmed_order_id = excluded.unconfirmed_order_id
"""
UNCONFIRMED_OF: Final = """
SELECT study_instance_uid FROM studies
 WHERE unconfirmed_order_id = $1 AND order_id IS NULL AND NOT EXISTS (SELECT FROM studies WHERE order_id = $1)
 ORDER BY study_instance_uid LIMIT 1
"""
# A report that was written before the study found its order is the order's from now on, unless that has one.
LINK_REPORT: Final = """
UPDATE reports SET order_id = $2, untold = true
 WHERE study_instance_uid = $1 AND order_id IS NULL AND retracted_at IS NULL
   AND NOT EXISTS (SELECT FROM reports WHERE order_id = $2 AND retracted_at IS NULL)
"""
RETRACT_REPORT: Final = "UPDATE reports SET version = $2, retracted_at = now() WHERE report_id = $1"
LAST_VERSION: Final = "SELECT coalesce(max(version), 0) FROM reports WHERE exam_key = $1"
# What somebody was writing about the images goes with them, unless something is being written there already.
MOVE_DRAFT: Final = """
UPDATE drafts SET exam_key = $2
 WHERE exam_key = $1 AND NOT EXISTS (SELECT FROM drafts WHERE exam_key = $2)
"""
EXAM_STATE: Final = """
INSERT INTO exams (order_id, state) VALUES ($1, $2) ON CONFLICT (order_id) DO UPDATE SET state = excluded.state
"""
KEEP_PATIENT: Final = """
INSERT INTO patients (patient_id, details) VALUES ($1, $2)
ON CONFLICT (patient_id) DO UPDATE SET details = excluded.details
"""
PRIORITY: Final = """
INSERT INTO studies (study_instance_uid, site, priority, priority_reason) VALUES ($1, $2, $3, $4)
ON CONFLICT (study_instance_uid) DO UPDATE
   SET priority = excluded.priority, priority_reason = excluded.priority_reason
"""

_ORDER: Final = """
SELECT o.*, s.study_uids, s.study_accessions, s.study_issuers
  FROM orders AS o
 CROSS JOIN LATERAL (
       SELECT coalesce(array_agg(study_instance_uid ORDER BY study_instance_uid), '{}') AS study_uids,
              array_agg(accession_value ORDER BY study_instance_uid) AS study_accessions,
              array_agg(accession_issuer ORDER BY study_instance_uid) AS study_issuers
         FROM studies WHERE order_id = o.order_id) AS s
"""
ORDERS_BY_NUMBERS: Final = f"""
{_ORDER} WHERE placer_value = ANY($1) OR accession_value = ANY($1) OR study_instance_uid = ANY($1)
    OR order_id IN (SELECT order_id FROM studies WHERE study_instance_uid = ANY($1) OR accession_value = ANY($1))
"""
ORDER_BY_KEY: Final = f"""
{_ORDER} WHERE order_id::text = $1 OR order_id = (SELECT order_id FROM studies WHERE study_instance_uid = $1)
"""
STUDIES_BY_NUMBERS: Final = """
SELECT * FROM studies
 WHERE order_id IS NULL AND available_at IS NOT NULL AND contradicted_by = '{}' AND NOT taken_off
   AND (study_instance_uid = ANY($1) OR accession_value = ANY($1))
"""
ACCESSION_OF: Final = "SELECT accession_value FROM studies WHERE study_instance_uid = $1"
STUDIES_OF: Final = "SELECT study_instance_uid FROM studies WHERE order_id = $1"
STUDY_BY_KEY: Final = "SELECT * FROM studies WHERE study_instance_uid = $1"

WAIT: Final = "INSERT INTO waiting (numbers, reading) VALUES ($1, $2)"
WAITING: Final = "SELECT number, reading FROM waiting WHERE numbers && $1::text[] ORDER BY number FOR UPDATE"
WAITED: Final = "DELETE FROM waiting WHERE number = ANY($1::bigint[])"

REPORT: Final = """
SELECT * FROM reports WHERE retracted_at IS NULL AND (order_id = $1 OR study_instance_uid = ANY($2))
 ORDER BY order_id IS NULL LIMIT 1 FOR UPDATE
"""
KEEP_REPORT: Final = """
INSERT INTO reports (report_id, exam_key, order_id, study_instance_uid, version, status, content, at, author,
                     signed_at, source)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (report_id) DO UPDATE
   SET order_id = coalesce(excluded.order_id, reports.order_id), version = excluded.version, status = excluded.status,
       content = excluded.content, at = excluded.at, author = excluded.author, signed_at = excluded.signed_at,
       source = excluded.source, untold = false
"""
EXAM_OF_DOCUMENT: Final = """
SELECT coalesce(order_id::text, study_instance_uid) FROM readings JOIN reports USING (report_id)
 WHERE reading #>> '{document_number,value}' = $1 AND reading #>> '{document_number,issuer}' = $2
   AND retracted_at IS NULL
 ORDER BY number DESC LIMIT 1
"""
NOTE: Final = "INSERT INTO readings (report_id, version, reading) VALUES ($1, $2, $3)"
DRAFT: Final = """
INSERT INTO drafts (exam_key, content, actor) VALUES ($1, $2, $3)
ON CONFLICT (exam_key) DO UPDATE SET content = excluded.content, actor = excluded.actor, written_at = now()
"""
TAKE_DRAFT: Final = "DELETE FROM drafts WHERE exam_key = $1 RETURNING content"

READING_LIST: Final = """
SELECT coalesce(s.order_id::text, s.study_instance_uid) AS exam_key, s.site, s.order_id, s.study_instance_uid,
       s.accession_value AS study_accession, s.accession_issuer AS study_accession_issuer, s.patient, s.modalities,
       s.description, s.number_of_instances, s.available_at, s.priority, s.priority_reason, o.details,
       s.contradicted_by, s.unconfirmed_order_id,
       e.state AS exam_state,
       coalesce(p.details, CASE WHEN w.patient_id <> w.named THEN survivor_details(w.patient_id) END)
       AS current_patient,
       r.status, d.exam_key IS NOT NULL AS has_draft,
       least(rank_of(s.priority), rank_of(o.details ->> 'priority')) AS rank
  FROM studies AS s
  LEFT JOIN orders AS o USING (order_id)
  LEFT JOIN exams AS e USING (order_id)
 CROSS JOIN LATERAL (
       SELECT coalesce(o.patient_id, s.patient_id) AS named,
              survivor_of(coalesce(o.patient_id, s.patient_id), coalesce(o.recorded_at, s.recorded_at)) AS patient_id
       ) AS w
  LEFT JOIN patients AS p ON p.patient_id = w.patient_id
  LEFT JOIN reports AS r
    ON r.retracted_at IS NULL
   AND (r.order_id = s.order_id OR (s.order_id IS NULL AND r.study_instance_uid = s.study_instance_uid))
  LEFT JOIN drafts AS d ON d.exam_key = coalesce(s.order_id::text, s.study_instance_uid)
 WHERE s.available_at IS NOT NULL AND (r.status IS NULL OR r.status = 'P')
   AND ($1::text IS NULL OR s.site = $1) AND ($2::text IS NULL OR $2 = ANY(s.modalities))
 ORDER BY rank, s.available_at, s.study_instance_uid LIMIT $3
"""
DRAFT_OF: Final = "SELECT content FROM drafts WHERE exam_key = $1"
WAITING_LIST: Final = "SELECT reading FROM waiting ORDER BY number LIMIT $1"
