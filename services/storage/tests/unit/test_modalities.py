"""When ModalitiesInStudy is looked up in an index, and when it is only compared."""

from datetime import date

import pytest
from storage_service.adapters import modalities
from storage_service.domain.search import ATTRIBUTES, AnyOf, Condition, Dates, Like, Moments, Times

CT = AnyOf(ATTRIBUTES["ModalitiesInStudy"], ("CT",))


def written(*conditions: Condition) -> list[str]:
    return list(modalities.wheres(conditions, lambda value: f"<{value}>"))


def days(keyword: str, first: date | None, last: date | None) -> Dates:
    return Dates(ATTRIBUTES[keyword], first, last)


def any_of(keyword: str) -> AnyOf:
    return AnyOf(ATTRIBUTES[keyword], ("1",))


A_MONTH = days("StudyDate", date(2026, 3, 1), date(2026, 3, 31))


@pytest.mark.parametrize(
    "other",
    [
        days("StudyDate", date(2026, 3, 1), None),
        days("StudyDate", None, date(2026, 3, 1)),
        days("StudyDate", date(2026, 3, 1), date(2026, 4, 1)),
        days("PatientBirthDate", date(1970, 3, 1), date(1970, 3, 1)),
        any_of("SOPClassesInStudy"),
        any_of("PatientSex"),
        Like(ATTRIBUTES["PatientName"], ("A*",)),
    ],
)
def test_it_is_looked_up_where_many_studies_may_be_left(other: Condition) -> None:
    assert written(CT) == written(CT, other) == ["s.modalities && <['CT']>::text[]"]


@pytest.mark.parametrize(
    "other",
    [
        A_MONTH,
        Moments(A_MONTH, Times(ATTRIBUTES["StudyTime"], "08", None)),
        any_of("PatientID"),
        any_of("AccessionNumber"),
        any_of("StudyInstanceUID"),
    ],
)
def test_it_is_compared_where_few_studies_are_left(other: Condition) -> None:
    assert written(CT, other) == ["(s.modalities && <['CT']>::text[]) IS TRUE"]


def test_wildcards_and_other_attributes_are_not_its_matter() -> None:
    assert modalities.within([Like(ATTRIBUTES["ModalitiesInStudy"], ("C*",)), A_MONTH, any_of("Modality"), CT]) == [CT]
