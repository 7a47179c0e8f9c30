"""What the rows of PostgreSQL mean."""

from typing import Any

from asyncpg import Record
from fj_events import Identifier, ReportPhi, Source, Staff

from reporting_service.domain.report import Report, Status, Subject


def identifier(value: str | None, issuer: str | None) -> Identifier | None:
    """A number with its issuer, or none."""
    return Identifier(value=value, issuer=issuer or "") if value else None


def content(text: str) -> ReportPhi:
    """What was written."""
    return ReportPhi.model_validate_json(text, extra="ignore")


def order_subject(row: Record) -> Subject:
    """An order as the subject of a report; `study_uids` are those of its studies."""
    uids = tuple(row["study_uids"]) or (row["study_instance_uid"],)
    return Subject(
        site=row["site"],
        order_id=row["order_id"],
        patient_id=row["patient_id"],
        accession_number=identifier(row["accession_value"], row["accession_issuer"]),
        placer_order_number=identifier(row["placer_value"], row["placer_issuer"]),
        study_instance_uids=uids,
        study_accession_numbers=tuple(
            number
            for value, issuer in zip(row["study_accessions"] or (), row["study_issuers"] or (), strict=True)
            if (number := identifier(value, issuer))
        ),
    )


def study_subject(row: Record) -> Subject:
    """A study that no order fits as the subject of a report."""
    return Subject(
        site=row["site"],
        patient_id=row["patient_id"],
        accession_number=identifier(row["accession_value"], row["accession_issuer"]),
        study_instance_uids=(row["study_instance_uid"],),
        settled=row["available_at"] is not None
        and row["order_id"] is None
        and not row["contradicted_by"]
        and not row["taken_off"],
        unconfirmed=bool(row["contradicted_by"]),
    )


def report(row: Record) -> Report:
    """The newest version."""
    return Report(
        report_id=row["report_id"],
        exam_key=row["exam_key"],
        version=row["version"],
        status=Status(row["status"]),
        content=content(row["content"]),
        at=row["at"],
        author=Staff.model_validate_json(row["author"]) if row["author"] else None,
        signed_at=row["signed_at"],
        source=Source(row["source"]),
        untold=row["untold"],
    )


def plain(model: Any) -> str | None:
    """A model as JSON without what is absent."""
    return model.model_dump_json(exclude_none=True) if model is not None else None
