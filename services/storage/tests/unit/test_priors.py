"""Which earlier images are fetched ahead."""

from datetime import date
from uuid import UUID

import pytest
from storage_service.domain.priors import Planned, Prior, PriorPack, chosen

EXAM = Planned("k", UUID(int=1), "1.2", ("CT",), "CT of the chest CTCHEST")


def a_prior(name: str, year: int, modality: str = "MR", body_part: str = "HEAD", size: int = 10) -> Prior:
    packs = (PriorPack("b", f"{name}/1", size), PriorPack("b", f"{name}/2", size))
    return Prior(date(year, 1, 1), (modality,), (body_part,), packs)


def names(*priors: Prior, most: int = 1000) -> list[str]:
    return list(dict.fromkeys(pack.key.split("/")[0] for pack in chosen(EXAM, priors, most)))


def test_modality_before_body_part_before_time() -> None:
    found = names(
        a_prior("newest", 2026),
        a_prior("part", 2020, body_part="CHEST"),
        a_prior("modality", 2010, "CT"),
        a_prior("both", 2001, "CT", "CHEST"),
        a_prior("older", 2025),
    )
    assert found == ["both", "modality", "part", "newest", "older"]


@pytest.mark.parametrize(("most", "expected"), [(19, []), (20, ["small"]), (100, ["large"]), (120, ["large", "small"])])
def test_whole_studies_up_to_the_limit_and_a_small_one_where_a_large_one_does_not_fit(
    most: int, expected: list[str]
) -> None:
    assert names(a_prior("large", 2026, size=50), a_prior("small", 2020), most=most) == expected
