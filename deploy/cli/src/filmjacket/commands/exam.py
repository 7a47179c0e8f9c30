"""`filmjacket exam`, the answer to "where is this exam?" in the terminal."""

from typing import Annotated, Any, Final

import httpx
import typer
from fj_local.stack import Stack

from filmjacket.errors import NoSuchThing, NotReachable
from filmjacket.masking import MASK
from filmjacket.terminal import console

_TO_MILLISECONDS: Final = len("2026-01-01T00:00:00.000")


def exam(
    *,
    accession: Annotated[str | None, typer.Option(help="Accession number.")] = None,
    patient_id: Annotated[str | None, typer.Option(help="The patient's number.")] = None,
    placer_order_number: Annotated[str | None, typer.Option(help="The EHR's number of the order.")] = None,
    study_instance_uid: Annotated[str | None, typer.Option(help="The study.")] = None,
    phi: Annotated[bool, typer.Option("--phi", help="Show who the patient is.")] = False,
) -> None:
    """Where exams are, and the way that they came."""
    asked = {
        "accession": accession,
        "patient_id": patient_id,
        "placer_order_number": placer_order_number,
        "study_instance_uid": study_instance_uid,
    }
    given = {name: value for name, value in asked.items() if value}
    if not given:
        raise NoSuchThing("which exam? " + ", ".join(f"--{name.replace('_', '-')}" for name in asked))
    exams = _find(given)
    if not exams:
        raise NoSuchThing("no exam with " + ", ".join(f"{name} {value}" for name, value in given.items()))
    for found in exams:
        _show(found, phi=phi)


def _find(given: dict[str, str]) -> list[dict[str, Any]]:
    address = f"http://127.0.0.1:{Stack.as_started().ports['gateway']}/api/portal/exams"
    try:
        answer = httpx.get(address, params=given, timeout=10).raise_for_status()
    except httpx.HTTPError as error:
        raise NotReachable(f"{address}: {error}") from error
    found: list[dict[str, Any]] = answer.json()["exams"]
    return found


def _show(exam: dict[str, Any], *, phi: bool) -> None:
    patient = exam.get("patient") or {}
    who = f"{patient.get('family_name') or ''} ({patient.get('id')} of {patient.get('issuer')})" if phi else MASK
    procedure = exam.get("procedure") or {}
    report = exam.get("report") or {}
    console.print(
        f"[bold]{exam.get('accession_number')}[/bold]  [green]{exam.get('state')}[/green]  {exam.get('site')}"
    )
    console.print(f"  patient    {who}", highlight=False)
    console.print(f"  procedure  {procedure.get('code')} {procedure.get('text') or ''}  {exam.get('priority') or ''}")
    console.print(f"  order      {exam.get('order_id')}  placer {exam.get('placer_order_number')}", highlight=False)
    studies = ", ".join(exam.get("study_instance_uids") or []) or "none"
    console.print(f"  study      {studies}  {exam.get('instances', 0)} instances", highlight=False)
    console.print(f"  report     {report.get('status') or 'none'}  version {report.get('version') or '-'}")
    for entry in exam.get("timeline", []):
        at = entry["at"][:_TO_MILLISECONDS].replace("T", " ")
        line = f"  {at}  {entry['type']:<25} {entry.get('service') or '':<11} {entry.get('summary') or ''}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)
