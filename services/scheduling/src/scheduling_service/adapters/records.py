"""Rows of PostgreSQL as exams, and the other way round."""

from collections.abc import Sequence
from uuid import UUID

from asyncpg import Record
from fj_events import CodedConcept, OrderDetails, ScheduledStep
from pydantic import BaseModel, ConfigDict

from scheduling_service.domain.exam import Exam, Ordered
from scheduling_service.domain.notes import Note
from scheduling_service.domain.performed import PerformedStep
from scheduling_service.domain.step import Step, StepState
from scheduling_service.domain.waiting import Waiting
from scheduling_service.domain.worklist import Item, folded, name_groups

EXAMS = """
SELECT e.exam_key, e.site, e.order_id, e.study_instance_uid, e.state, e.linked_to, e.ordered,
       ARRAY(SELECT named_as(e.patient_id, e.recorded_at)) AS patient_ids,
       ARRAY(SELECT s.state FROM step s WHERE s.exam_key = e.exam_key ORDER BY s.number) AS states,
       ARRAY(SELECT s.plan::text FROM step s WHERE s.exam_key = e.exam_key ORDER BY s.number) AS plans,
       ARRAY(SELECT o.number FROM occupied o WHERE o.exam_key = e.exam_key) AS booked,
       ARRAY(SELECT p.performed::text FROM performed_step p JOIN exam_performed USING (sop_instance_uid)
              WHERE exam_performed.exam_key = e.exam_key ORDER BY p.created_at, p.sop_instance_uid) AS performed
  FROM exam e
"""


class Planned(BaseModel):
    """The column `exam.ordered`."""

    model_config = ConfigDict(frozen=True)

    details: OrderDetails
    procedure: CodedConcept
    planned_because: str
    held: bool = False
    waiting: Waiting | None = None
    by_hand: bool = False
    notes: tuple[Note, ...] = ()

    @classmethod
    def of(cls, ordered: Ordered) -> "Planned":
        """The column of this order."""
        return cls(**{name: getattr(ordered, name) for name in cls.model_fields})


def exam_of(row: Record) -> Exam:
    """A row of EXAMS."""
    return Exam(
        key=row["exam_key"],
        site=row["site"],
        study_instance_uid=row["study_instance_uid"],
        ordered=None if row["ordered"] is None else _ordered(row["order_id"], row["ordered"]),
        linked_to=row["linked_to"],
        patient_ids=frozenset(row["patient_ids"]) - {None},
        steps=tuple(
            step_of(state, plan, booked=number in row["booked"])
            for number, (state, plan) in enumerate(zip(row["states"], row["plans"], strict=True))
        ),
        unscheduled_state=StepState(row["state"]) if row["ordered"] is None else StepState.SCHEDULED,
        performed=tuple(PerformedStep.model_validate_json(text, extra="ignore") for text in row["performed"]),
    )


def exam_columns(exam: Exam) -> tuple[object, ...]:
    """The row of an exam, its steps as columns, the UIDs of what was performed for it, its turn on the waiting list."""
    ordered = exam.ordered
    details = ordered.details if ordered else None
    plans = [step.plan for step in exam.steps]
    return (
        exam.key,
        exam.site,
        ordered.order_id if ordered else None,
        exam.study_instance_uid,
        details.study_instance_uid if details else None,
        details.accession_number.value if details else None,
        details.patient_id if details else None,
        exam.state,
        exam.linked_to,
        Planned.of(ordered).model_dump_json(exclude_none=True) if ordered else None,
        [plan.step_id for plan in plans],
        [step.state for step in exam.steps],
        [plan.station_ae_title for plan in plans],
        [plan.modality for plan in plans],
        [plan.starts_at for plan in plans],
        [plan.model_dump_json(exclude_none=True) for plan in plans],
        [each.sop_instance_uid for each in exam.performed],
        exam.waits.since if exam.waits else None,
        details.priority.rank if details and exam.waits else None,
    )


def step_of(state: str, plan: str, *, booked: bool) -> Step:
    """The columns `step.state` and `step.plan`, and whether `occupied` has it."""
    return Step(plan=ScheduledStep.model_validate_json(plan, extra="ignore"), state=StepState(state), booked=booked)


def worklist_rows(exam_key: str, waiting: Sequence[Item]) -> list[tuple[object, ...]]:
    """Rows of the table `worklist`, in the order of its columns."""
    return [
        (
            exam_key,
            number,
            item.site,
            item.details.priority.rank,
            item.starts_local,
            item.step.station_ae_title,
            item.step.modality,
            item.step.step_id,
            item.details.patient_id,
            item.patient.id.value if item.patient.id else "",
            item.patient.id.issuer if item.patient.id else "",
            [folded(group) for group in name_groups(item.patient) if group],
            item.details.accession_number.value,
            item.details.requested_procedure_id,
            item.study_instance_uid,
            item.model_dump_json(exclude_none=True),
            visit.value if (visit := item.details.clinical.visit_number) else None,
            visit.issuer if visit else None,
        )
        for number, item in enumerate(waiting)
    ]


def _ordered(order_id: UUID, text: str) -> Ordered:
    planned = Planned.model_validate_json(text, extra="ignore")
    return Ordered(order_id=order_id, **dict(planned))
