"""Where what was performed is not what was scheduled. Both stay as they are, side by side."""

from collections.abc import Collection, Iterable

from fj_events import CodedConcept

from scheduling_service.domain.exam import Exam, step_ids
from scheduling_service.domain.performed import PerformedStep


def differences(exam: Exam, performed: PerformedStep) -> tuple[str, ...]:
    """What differs: `modality`, `station`, `procedure`, `protocol`. What a modality leaves out does not differ."""
    if exam.ordered is None:
        return ()
    named = step_ids(exam, performed)
    plans = [step.plan for step in exam.steps if step.step_id in named]
    titles = {title for plan in plans for title in (plan.station_ae_title, *(plan.group or ()))}
    pairs: dict[str, tuple[Collection[str], Collection[str]]] = {
        "modality": ({performed.modality}, {plan.modality for plan in plans}),
        "station": ({performed.station_ae_title}, titles),
        "procedure": (_codes(performed.procedure), {exam.ordered.procedure.code}),
        "protocol": (_codes(performed.protocol), _codes(code for plan in plans for code in plan.protocol)),
    }
    return tuple(name for name, (done, wanted) in pairs.items() if done and wanted and not set(done) <= set(wanted))


def _codes(concepts: Iterable[CodedConcept]) -> set[str]:
    return {concept.code for concept in concepts}
