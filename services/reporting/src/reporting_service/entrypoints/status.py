"""How final a result is: what OBR-25 or TXA-17 says of the whole, and OBX-11 of each observation (HL7 v2.5.1)."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from fj_hl7 import AckCode, ErrorCode, Found, Hl7Error, Place, Profile, Refusal, Segment

from reporting_service.domain.report import Status, least_final

RESULTS: Final[Mapping[str, Status]] = MappingProxyType(
    {**dict.fromkeys("PAR", Status.PRELIMINARY), "F": Status.FINAL, "C": Status.CORRECTED}
)
"""OBR-25, table 0123: P preliminary, A some results, R not verified; F final; C corrected."""
DOCUMENTS: Final[Mapping[str, Status]] = MappingProxyType(
    {
        **dict.fromkeys(("DI", "DO", "IN", "IP", "PA"), Status.PRELIMINARY),
        **dict.fromkeys(("AU", "LA"), Status.FINAL),
    }
)
"""TXA-17, table 0271: authenticated documents are final."""
OBSERVATIONS: Final[Mapping[str, Status]] = MappingProxyType(
    {
        **dict.fromkeys("PRSI", Status.PRELIMINARY),
        **dict.fromkeys("FU", Status.FINAL),
        "C": Status.CORRECTED,
    }
)
"""OBX-11, table 0085: P preliminary, R not verified, S partial, I pending; F final, U final now; C corrected.

D and W take back what was sent before, which a person has to look at: they are refused.
"""
_SAYS_NOTHING: Final = frozenset("NOX")
"""Not asked for, no result, cannot be obtained: the other observations decide."""


def of_whole(found: Found | None, table: Mapping[str, Status], profile: Profile) -> Status | None:
    """What the sender says of the whole, where it does. Raises Refusal, which points at a code that is in no table."""
    if found is None:
        return None
    code = profile.codes.result_status.get(found.text, found.text).upper()
    field = found.source.field if isinstance(found.source, Place) else 0
    return _status(code, table, found.segment, field)


def of_observations(observations: Sequence[Segment]) -> Status | None:
    """The least final of all; None where none of them says it. One that does not, among others, is not verified.

    Raises Refusal.
    """
    codes = [(obx, obx.get(11).strip().upper()) for obx in observations]
    said = [_status(code, OBSERVATIONS, obx, 11) for obx, code in codes if code and code not in _SAYS_NOTHING]
    unsaid = [obx for obx, code in codes if not code] if said else []
    for obx in unsaid:
        obx.warn("OBX-11 is empty where others are not: it counts as preliminary")
    return least_final([*said, *[Status.PRELIMINARY] * bool(unsaid)])


def _status(code: str, table: Mapping[str, Status], segment: Segment | None, field: int) -> Status:
    try:
        return table[code]
    except KeyError:
        name, sequence = (segment.name, segment.sequence) if segment else ("", 0)
        text = f"{name}-{field} {code} is not one of {', '.join(table)}"
        raise Refusal(AckCode.AE, Hl7Error(text, ErrorCode.TABLE_VALUE_NOT_FOUND, name, sequence, field)) from None
