"""The table `visit`: where patients are and how far their visits are."""

from typing import TYPE_CHECKING, Final

from fj_events import Identifier, PatientVisitUpdated

from scheduling_service.domain.visit import Visit

if TYPE_CHECKING:
    from fj_bus import Connection

_SAVE: Final = """
INSERT INTO visit (value, issuer, patient_id, said_at, visit)
SELECT $1, $2, patient_id, $4, $5 FROM unnest($3::uuid[]) AS patient_id
ON CONFLICT (value, issuer, patient_id) DO UPDATE SET said_at = excluded.said_at, visit = excluded.visit
"""
_FORGET: Final = "DELETE FROM visit WHERE value = $1 AND issuer = $2 AND patient_id = ANY($3::uuid[])"


async def save(connection: "Connection", number: Identifier, fact: PatientVisitUpdated) -> None:
    """Keep what was said last of a visit, for each patient who has it; nothing where nothing holds any more."""
    named = number.value, number.issuer, list(fact.patient_ids)
    if fact.state is None:
        await connection.execute(_FORGET, *named)
        return
    visit = Visit(state=fact.state, patient_class=fact.patient_class, location=fact.visit.location)
    await connection.execute(_SAVE, *named, fact.updated_at, visit.model_dump_json(exclude_none=True))


def visit_of(text: str | None) -> Visit | None:
    """What the SQL function of this name found."""
    return None if text is None else Visit.model_validate_json(text, extra="ignore")
