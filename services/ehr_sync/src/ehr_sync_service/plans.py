"""What image managers and calendars are told of plans (IHE RAD-4, RAD-13, RAD-48): one function per fact."""

from fj_events import Envelope, ExamCancelled, ExamMissed

from ehr_sync_service.domain.plan import (
    CANCELLED,
    GIVEN_UP,
    NO_SHOW,
    Performed,
    Planned,
    appointment_told,
    performed_told,
    plan_of,
    procedure_told,
)
from ehr_sync_service.ports import Projection
from ehr_sync_service.post import Post


async def on_planned(fact: Planned, cause: Envelope, projection: Projection, post: Post) -> None:
    """There is a plan, another one, or the old one again."""
    before, after = await projection.plan(fact.exam_key), plan_of(fact, cause)
    await projection.save_plan(after)
    await post.tell(procedure_told(before, after), fact, cause, after)
    appointment = appointment_told(fact)
    # What is given up is the old time.
    await post.tell(appointment, fact, cause, before if appointment == GIVEN_UP and before else after)


async def on_plan_cancelled(fact: ExamCancelled, cause: Envelope, projection: Projection, post: Post) -> None:
    """The exam will not be done."""
    plan = await projection.plan(fact.exam_key)
    if plan is None:
        return
    changes = {"booked": False, "cancelled": True, "version": cause.sequence, "updated_at": cause.time}
    await projection.save_plan(plan.model_copy(update=changes))
    await post.tell(CANCELLED, fact, cause, plan)
    if plan.booked:
        await post.tell(GIVEN_UP, fact, cause, plan)


async def on_missed(fact: ExamMissed, cause: Envelope, projection: Projection, post: Post) -> None:
    """Nobody came to the appointment."""
    plan = await projection.plan(fact.exam_key)
    if plan is None or not plan.booked:
        return
    changes = {"booked": False, "version": cause.sequence, "updated_at": cause.time}
    await projection.save_plan(plan.model_copy(update=changes))
    await post.tell(NO_SHOW, fact, cause, plan)


async def on_performed(fact: Performed, cause: Envelope, projection: Projection, post: Post) -> None:
    """What was planned has begun, or is over."""
    plan = await projection.plan(fact.exam_key)
    if plan is None:
        return
    await post.tell(performed_told(plan, fact), fact, cause, plan)
    if plan.cancelled:
        changes = {"cancelled": False, "version": cause.sequence, "updated_at": cause.time}
        await projection.save_plan(plan.model_copy(update=changes))
