"""When this happens, do that: one function per fact. Orders and studies may come in any order."""

from collections.abc import Sequence

from fj_events import (
    OrderChanged,
    OrderPlaced,
    PriorityRaised,
    StudyAvailable,
    StudyMatched,
    StudyReceived,
    StudyUpdated,
)

from triage_service.domain.rules import TASK, Rule, judge
from triage_service.ports import Studies


async def on_order(order: OrderPlaced | OrderChanged, studies: Studies, rules: Sequence[Rule]) -> None:
    """What is asked for, and how soon: the studies of the order are judged anew."""
    for study_instance_uid in await studies.keep_order(order.order_id, order):
        await _judge(study_instance_uid, studies, rules)


async def on_study(
    study: StudyReceived | StudyAvailable | StudyUpdated, studies: Studies, rules: Sequence[Rule]
) -> None:
    """What the images say of themselves."""
    await studies.keep_study(study.study_instance_uid, study.site, study.modalities, study.description)
    await _judge(study.study_instance_uid, studies, rules)


async def on_matched(study: StudyMatched, studies: Studies, rules: Sequence[Rule]) -> None:
    """The study belongs to an order, and is read no later than that asks for."""
    await studies.link(study.study_instance_uid, study.site, study.order_id, study.accession_number)
    await _judge(study.study_instance_uid, studies, rules)


async def _judge(study_instance_uid: str, studies: Studies, rules: Sequence[Rule]) -> None:
    subject = await studies.subject(study_instance_uid)
    verdict = judge(subject, rules)
    if verdict is None:
        return
    await studies.raise_to(study_instance_uid, verdict.priority)
    studies.emit(
        PriorityRaised(
            site=subject.site,
            study_instance_uid=study_instance_uid,
            order_id=subject.order_id,
            accession_number=subject.accession_number,
            task=TASK,
            rule=verdict.rule,
            priority=verdict.priority,
            previous=subject.priority,
            reason=verdict.reason,
        )
    )
