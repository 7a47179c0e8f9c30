"""`/api/portal`: the answer to "where is this exam?"."""

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, status

from portal_service.ports import ExamBook, Found, Wanted

Text = Annotated[str | None, Query(min_length=1, max_length=200)]


def exams_router(book: ExamBook) -> APIRouter:
    """The exam answer, whose names and meanings are fixed."""
    router = APIRouter(prefix="/api/portal", tags=["exams"])

    @router.get("/exams")
    async def find(  # noqa: PLR0913, PLR0917 - one parameter per way to look for an exam
        accession: Text = None,
        patient_id: Text = None,
        linked: bool = False,  # noqa: FBT001, FBT002 - a parameter of the query
        placer_order_number: Text = None,
        study_instance_uid: Text = None,
        text: Text = None,
        state: Text = None,
        modality: Text = None,
        site: Text = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> dict[str, Any]:
        wanted = Wanted(
            accession=accession,
            patient_id=patient_id,
            linked=linked,
            placer_order_number=placer_order_number,
            study_instance_uid=study_instance_uid,
            text=text,
            state=state,
            modality=modality,
            site=site,
            limit=limit,
        )
        return {"exams": [answer(found) for found in await book.find(wanted)]}

    @router.get("/exams/{exam_id}")
    async def read(exam_id: str) -> dict[str, Any]:
        found = await book.read(exam_id)
        if found is None:
            raise HTTPException(status.HTTP_404_NOT_FOUND, f"no exam goes by {exam_id}")
        return answer(found)

    return router


def answer(found: Found) -> dict[str, Any]:
    """One exam of the exam answer."""
    exam = found.exam
    accession, procedure, report = exam.accession_number, exam.procedure, exam.report
    placer = exam.order.placer_order_number if exam.order else None
    return {
        "exam_id": exam.exam_id,
        "order_id": str(exam.order_id) if exam.order_id else None,
        "site": exam.site,
        "accession_number": accession.value if accession else None,
        "accession_issuer": accession.issuer if accession else None,
        "placer_order_number": placer.value if placer else None,
        "placer_issuer": placer.issuer if placer else None,
        "patient": _patient(found),
        "procedure": {"code": procedure.code, "text": procedure.text} if procedure else None,
        "modalities": list(exam.modalities),
        "priority": exam.urgency,
        "state": exam.state,
        "study_instance_uids": list(exam.study_instance_uids),
        "instances": exam.number_of_instances,
        "report": {"status": report.status, "version": report.version} if report else None,
        "timeline": [
            {
                "at": entry.at.isoformat(),
                "type": entry.type,
                "site": entry.site,
                "service": entry.service,
                "summary": entry.summary,
                "actor": entry.actor,
                "event_id": str(entry.event_id),
            }
            for entry in found.timeline
        ],
    }


def _patient(found: Found) -> dict[str, Any]:
    patient = found.patient
    return {
        "id": patient.id.value if patient.id else None,
        "issuer": patient.id.issuer if patient.id else None,
        "family_name": patient.family_name,
        "given_name": patient.given_name,
        "birth_date": patient.birth_date.isoformat() if patient.birth_date else None,
        "sex": patient.sex,
    }
