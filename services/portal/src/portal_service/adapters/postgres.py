"""The pictures of the exams in PostgreSQL, inside the transaction of a fact."""

from datetime import datetime
from typing import Final
from uuid import UUID

from fj_bus import Tx
from fj_events import Identifier, PatientPhi
from fj_survivors import PERSON
from fj_survivors import TABLE as SURVIVOR

from portal_service.adapters.acts import TABLES as ACTS
from portal_service.adapters.duplicates import TABLE as PAIRS
from portal_service.domain.exam import Exam, merge
from portal_service.domain.exceptions import Kind, Raised
from portal_service.domain.refs import Refs
from portal_service.domain.timeline import Entry

TABLES: Final = ("exams", "names", "timeline", "patients", "exceptions", "parted", PAIRS, *ACTS, SURVIVOR, PERSON)
"""The projection: what a rebuild makes anew."""

_NAMED: Final = "SELECT DISTINCT exam_id FROM names WHERE name = ANY($1)"
_NAME: Final = """
INSERT INTO names (name, exam_id) SELECT name, $2 FROM unnest($1::text[]) AS name
ON CONFLICT (name) DO UPDATE SET exam_id = excluded.exam_id
"""
_KEEP: Final = """
INSERT INTO exams (exam_id, picture, site, state, accession_number, placer_order_number, patient_id, patient_number,
                   study_instance_uids, modalities, words, changed_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, clock_timestamp())
ON CONFLICT (exam_id) DO UPDATE
   SET picture = excluded.picture, site = excluded.site, state = excluded.state,
       accession_number = excluded.accession_number, placer_order_number = excluded.placer_order_number,
       patient_id = excluded.patient_id, patient_number = excluded.patient_number,
       study_instance_uids = excluded.study_instance_uids, modalities = excluded.modalities, words = excluded.words,
       changed_at = excluded.changed_at
"""
_ENTER: Final = """
INSERT INTO timeline (event_id, exam_id, at, type, site, service, summary, cause, actor)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (event_id) DO NOTHING
"""
_PATIENT: Final = """
INSERT INTO patients (patient_id, details) VALUES ($1, $2)
ON CONFLICT (patient_id) DO UPDATE SET details = excluded.details
"""
_RENAMED: Final = """
UPDATE exams SET changed_at = clock_timestamp() WHERE patient_id IN (SELECT ids_of($1))
"""
_MOVED: Final = "UPDATE exams SET changed_at = clock_timestamp() WHERE patient_id = $1"
_RAISE: Final = """
INSERT INTO exceptions (event_id, kind, key, site, since, summary, address, about)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (event_id) DO NOTHING
"""
_IS_RAISED: Final = "SELECT EXISTS (SELECT FROM exceptions WHERE key = $1 AND kind = $2)"
_LEFT: Final = """
INSERT INTO parted (exam_id, at) VALUES ($1, $2)
ON CONFLICT (exam_id) DO UPDATE SET at = greatest(parted.at, excluded.at)
"""
_DEALT_WITH: Final = "DELETE FROM exceptions WHERE (about = $1 OR key = $1) AND kind = $2 AND since <= $3"
_HAVE_LEFT: Final = "SELECT EXISTS (SELECT FROM parted WHERE exam_id = $1 AND at >= $2)"
_WITH_ACCESSION: Final = """
SELECT exam_id, survivor_of(patient_id, now()) AS whose FROM exams
 WHERE accession_number = $1 AND picture #>> '{order,accession_number,issuer}' = $2 AND state <> 'cancelled'
"""
_ORDERED_FOR: Final = """
SELECT exam_id, picture #>> '{order,accession_number,value}' AS value,
       coalesce(picture #>> '{order,accession_number,issuer}', '') AS issuer
  FROM exams WHERE patient_id = $1 AND picture #> '{order,accession_number}' IS NOT NULL AND state <> 'cancelled'
 ORDER BY exam_id
"""


class PostgresExams:
    """See `portal_service.ports.Exams`."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._db = tx.connection

    async def open(self, refs: Refs, site: str) -> Exam:
        known = await self._lock(refs)
        exam_id = str(refs.order_id) if refs.order_id else next(iter(known), refs.names[0])
        exam = await self._read(exam_id) or Exam(exam_id=exam_id, site=site)
        for other in known:
            if other != exam_id:
                exam = await self._join(exam, other)
        await self._db.execute(_NAME, list(refs.names), exam_id)
        return exam

    async def move_study(self, study_instance_uid: str, exam_id: str, site: str) -> tuple[Exam | None, Exam]:
        refs = Refs(None, tuple(dict.fromkeys((study_instance_uid, exam_id))))
        await self._lock(refs)
        here = await self._db.fetchval("SELECT exam_id FROM names WHERE name = $1", study_instance_uid)
        await self._db.execute(_NAME, list(refs.names), exam_id)
        exam = await self._read(exam_id) or Exam(exam_id=exam_id, site=site)
        if here is None or here == exam_id:
            return None, exam
        if here == study_instance_uid:  # the exam was nothing but this study
            return None, await self._join(exam, here)
        return await self._read(here), exam

    async def keep(self, exam: Exam) -> None:
        accession, patient, procedure = exam.accession_number, exam.named, exam.procedure
        placer = exam.order.placer_order_number if exam.order else None
        planned = [exam.order.study_instance_uid] if exam.order else []
        number = patient.id.value if patient.id else None
        words = (
            patient.display,
            number,
            accession and accession.value,
            placer and placer.value,
            procedure and (procedure.text or procedure.code),
        )
        await self._db.execute(
            _KEEP,
            exam.exam_id,
            exam.model_dump_json(exclude_none=True),
            exam.site,
            exam.state,
            accession.value if accession else None,
            placer.value if placer else None,
            exam.whose,
            number,
            list(dict.fromkeys((*exam.studies, *planned))),
            list(exam.modalities),
            " ".join(word for word in words if word).lower(),
        )

    async def enter(self, exam_id: str, entry: Entry) -> None:
        await self._db.execute(
            _ENTER,
            entry.event_id,
            exam_id,
            entry.at,
            entry.type,
            entry.site,
            entry.service,
            entry.summary,
            entry.cause,
            entry.actor,
        )

    async def raise_exception(self, raised: Raised) -> None:
        about = (raised.kind, raised.key, raised.site, raised.since, raised.summary, raised.address, raised.about)
        await self._db.execute(_RAISE, raised.event_id, *about)

    async def raise_once(self, raised: Raised) -> None:
        if not await self._db.fetchval(_IS_RAISED, raised.key, raised.kind):
            await self.raise_exception(raised)

    async def with_accession(self, number: Identifier, patient_id: UUID | None) -> dict[str, UUID]:
        if patient_id is not None:
            await self._tx.lock("patient", str(patient_id))  # as fj_survivors does
        await self._tx.lock("accession", f"{number.issuer} {number.value}")
        rows = await self._db.fetch(_WITH_ACCESSION, number.value, number.issuer)
        return {row["exam_id"]: row["whose"] for row in rows}

    async def ordered_for(self, patient_id: UUID) -> dict[str, Identifier]:
        rows = await self._db.fetch(_ORDERED_FOR, patient_id)
        return {row["exam_id"]: Identifier(value=row["value"], issuer=row["issuer"]) for row in rows}

    async def end_exception(self, kind: str, key: str) -> None:
        await self._db.execute("DELETE FROM exceptions WHERE key = $1 AND kind = $2", key, kind)

    async def images_left(self, order_id: str, at: datetime) -> None:
        await self._tx.lock("exam", order_id)  # as whoever puts the exam back has it
        await self._db.execute(_LEFT, order_id, at)
        await self._db.execute(_DEALT_WITH, order_id, Kind.WRONG_ENTRY, at)

    async def have_images_left(self, order_id: str, since: datetime) -> bool:
        return bool(await self._db.fetchval(_HAVE_LEFT, order_id, since))

    async def patient_is(self, patient_id: UUID, patient: PatientPhi) -> None:
        await self._db.execute(_PATIENT, patient_id, patient.model_dump_json(exclude_none=True))
        await self._db.execute(_RENAMED, patient_id)

    async def patient_moved(self, patient_id: UUID) -> None:
        await self._db.execute(_MOVED, patient_id)

    async def _lock(self, refs: Refs) -> list[str]:
        """Lock what the fact names and the exams that have these names; until then, one may be joined to another."""
        known: list[str] = []
        locked = set[str]()
        while names := {*refs.names, *known} - locked:
            for name in sorted(names):
                await self._tx.lock("exam", name)
            locked |= names
            known = [row["exam_id"] for row in await self._db.fetch(_NAMED, list(refs.names))]
        return known

    async def _join(self, exam: Exam, other_id: str) -> Exam:
        other = await self._read(other_id)
        await self._db.execute("UPDATE names SET exam_id = $2 WHERE exam_id = $1", other_id, exam.exam_id)
        await self._db.execute("UPDATE timeline SET exam_id = $2 WHERE exam_id = $1", other_id, exam.exam_id)
        await self._db.execute("DELETE FROM exams WHERE exam_id = $1", other_id)
        return merge(exam, other) if other else exam

    async def _read(self, exam_id: str) -> Exam | None:
        text = await self._db.fetchval("SELECT picture FROM exams WHERE exam_id = $1", exam_id)
        return Exam.model_validate_json(text) if text else None
