"""A person moves a study from one exam to another."""

from fj_events import ReportRetracted, StudyRelinked, Uid

from portal_service.domain.exam import Exam, Milestone, StudySeen


def without_study(exam: Exam, uid: Uid) -> Exam:
    """The exam that had the study. Without any image it is as far as its steps are; a report stays until retracted."""
    studies = {name: study for name, study in exam.studies.items() if name != uid}
    reached = exam.reached
    if not studies and reached <= Milestone.AVAILABLE:
        reached = Milestone.SCHEDULED if exam.waits_again else min(reached, Milestone.ACQUIRED)
    return exam.model_copy(update={"studies": studies, "reached": reached})


def retracted(exam: Exam, fact: ReportRetracted) -> Exam:
    """The exam whose report was another one's: it is as far as its own images and steps are."""
    if exam.report is not None and exam.report.version > fact.version:
        return exam
    shown = Milestone.AVAILABLE if any(study.available for study in exam.studies.values()) else Milestone.ACQUIRED
    reached = Milestone.SCHEDULED if exam.waits_again and not exam.studies else min(exam.reached, shown)
    return exam.model_copy(update={"report": None, "final_version": None, "reached": reached})


def with_study(exam: Exam, fact: StudyRelinked, study: StudySeen) -> Exam:
    """The exam that has the study now."""
    seen = study.model_copy(update={"match": f"{fact.act}: {fact.reason}", "contradicted_by": ()})
    shown = Milestone.AVAILABLE if seen.available else Milestone.IN_PROGRESS
    return exam.model_copy(
        update={
            "order_id": fact.order_id,
            "studies": {**exam.studies, fact.study_instance_uid: seen},
            "reached": max(exam.reached, shown),
        }
    )
