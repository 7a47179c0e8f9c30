"""A person links a study to an order, takes it off one, or takes the newest such act back."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from fj_events import LinkAct, OrderPlaced, StudyConflictSettled, StudyRelinked

from storage_service import handlers
from storage_service.domain.exceptional import ExceptionKind, of_unlinked
from storage_service.domain.keys import OrderKeys
from storage_service.domain.linking import LinkEntry, NotThere, belonging, confirmed, linked, undone, unlinked
from storage_service.domain.study import Study
from storage_service.handlers import Work
from storage_service.ports.links import Links


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants done with a study, and why."""

    study_instance_uid: str
    actor: str
    reason: str


async def link(wish: Wish, order_id: UUID, links: Links, work: Work) -> None:
    """The study belongs to this order. Raises NotThere."""
    study = await _study(wish, work)
    order = await links.order(order_id)
    if order is None:
        raise NotThere("There is no such order")
    await _move(LinkAct.LINK, wish, (study, linked(study, order, wish.actor)), links, work)


async def on_order_placed(fact: OrderPlaced, placed_at: datetime, day: date, links: Links, work: Work) -> None:
    """An order is known. One that a person placed for images that are here, and nobody's, is theirs (decision 10)."""
    uid = fact.study_instance_uid
    if fact.actor is not None:
        await work.studies.put_order(fact, placed_at, day)
        if any(study.order_id is None for study in await work.studies.get([uid])):
            await link(Wish(uid, fact.actor, "ordered for these images"), fact.order_id, links, work)
    await handlers.on_order_known(fact, placed_at, day, work)


async def unlink(wish: Wish, links: Links, work: Work) -> None:
    """The study belongs to no order, whatever the rules say. Raises NotThere, NothingToDo."""
    study = await _study(wish, work)
    await _move(LinkAct.UNLINK, wish, (study, unlinked(study, wish.actor)), links, work)


async def confirm(wish: Wish, links: Links, work: Work) -> None:
    """The number on the images is their patient's, whatever else they say; the rules go on from there.

    Raises NotThere, NothingToDo.
    """
    study = await _study(wish, work)
    await _move(LinkAct.CONFIRM, wish, (study, confirmed(study)), links, work)


async def undo(wish: Wish, links: Links, work: Work) -> None:
    """The study is where it was before the newest act; where rules had their say, they have it again.

    Raises NotThere, NothingToDo.
    """
    study = await _study(wish, work)
    newest = await links.newest(wish.study_instance_uid)
    await _move(LinkAct.UNDO, wish, (study, undone(study, newest)), links, work)


async def settle_conflicts(wish: Wish, work: Work) -> None:
    """Somebody has looked at instances that came twice with other bytes: the first stay. Raises NotThere."""
    study = await _study(wish, work)
    if await work.studies.resolve(wish.study_instance_uid, ExceptionKind.UID_CONFLICT):
        fact = StudyConflictSettled(
            site=study.site, actor=wish.actor, study_instance_uid=wish.study_instance_uid, reason=wish.reason
        )
        work.studies.emit(fact)


async def _study(wish: Wish, work: Work) -> Study:
    for study in await work.studies.get([wish.study_instance_uid]):
        return study
    raise NotThere("There is no such study")


async def _move(act: LinkAct, wish: Wish, move: tuple[Study, Study | None], links: Links, work: Work) -> None:
    """Keep, list and tell it, then look what that means for the study. What was done already changes nothing."""
    before, after = move
    if after is None:
        return
    uid = wish.study_instance_uid
    await links.add(
        uid,
        lambda number: LinkEntry(
            number, act, wish.actor, wish.reason, work.now, after.order_id, previous=belonging(before)
        ),
    )
    left = await links.order(before.order_id) if before.order_id else None
    right = await links.order(after.order_id) if after.order_id else None
    fact = _relinked(act, wish, (after, before.order_id), (left, right))
    for kind in (ExceptionKind.UNMATCHED_STUDY, ExceptionKind.UNCONFIRMED_STUDY):
        await work.studies.resolve(uid, kind)
    if after.order_id is None and after.unmatched_reason is not None:
        await work.studies.report(fact, of_unlinked(fact))
    else:
        work.studies.emit(fact)
    await work.studies.save([after])
    await handlers.settle([uid], work)


def _relinked(
    act: LinkAct, wish: Wish, moved: tuple[Study, UUID | None], orders: tuple[OrderKeys | None, OrderKeys | None]
) -> StudyRelinked:
    (study, previous_order_id), (left, right) = moved, orders
    return StudyRelinked(
        site=study.site,
        actor=wish.actor,
        study_instance_uid=study.study_instance_uid,
        previous_order_id=previous_order_id,
        previous_accession_number=left.accession_number if left else None,
        order_id=study.order_id,
        patient_id=study.order_patient_id or study.patient_id,
        accession_number=right.accession_number if right else study.accession_number,
        ordered_study_instance_uid=right.study_instance_uid if right else None,
        act=act,
        reason=wish.reason,
    )
