"""Which names may be one person's."""

import pytest
from fj_events import PatientPhi
from storage_service.domain.names import Likeness, alike

SAME, NEAR, DIFFERENT, UNKNOWN = Likeness.SAME, Likeness.NEAR, Likeness.DIFFERENT, Likeness.UNKNOWN


def a_name(written: str) -> PatientPhi:
    """Family^given^middle^prefix^suffix, with ideographic and phonetic groups behind `=`."""
    alphabetic, *others = written.split("=")
    parts = [*alphabetic.split("^"), *[""] * 5]
    names = ("family_name", "given_name", "middle_name", "prefix", "suffix")
    groups = dict(zip(("ideographic_name", "phonetic_name"), others, strict=False))
    return PatientPhi(**{name: part or None for name, part in zip(names, parts, strict=False)}, **groups)


@pytest.mark.parametrize(
    ("one", "other", "likeness"),
    [
        ("Lovett^Ada", "LOVETT^ADA", SAME),
        ("Müller^Anna", "MUELLER^ANNA", SAME),
        ("Müller^Anna", "MULLER^ANNA", SAME),
        ("Strauß^Zoë", "STRAUSS^ZOE", SAME),
        ("Łukasz^Żaneta", "Lukasz^Zaneta", SAME),
        ("O'Brien^Pat", "OBRIEN^PAT", SAME),
        ("Lovett^Ada^^Dr.^PhD", "Lovett^Ada", SAME),
        ("von Berg^Anna", "Berg^Anna", SAME),
        ("Lovett^Ada^Byron", "Lovett^Ada", SAME),
        ("Lovett^Ada Byron", "Lovett^Ada^Byron", SAME),
        ("Lovett^Ada^Byron", "Lovett^Ada^King", NEAR),
        ("García López^Ana", "Garcia^Ana", SAME),
        ("Smith-Jones^Ann", "Smith Jones^Ann", SAME),
        ("Ada^Lovett", "Lovett^Ada", SAME),
        ("Lovett Ada", "Lovett^Ada", SAME),
        ("Yamada^Tarou=山田^太郎", "YAMADA^TARO=山田^太郎", SAME),
        ("=山田^太郎", "Yamada^Tarou=山田^太郎=やまだ^たろう", SAME),
        ("=山田^太郎", "=佐藤^花子", DIFFERENT),
        ("Lovett^A", "Lovett^Ada", NEAR),
        ("Lovett^Ada", "Lovet^Ada", NEAR),
        ("Smith^Jon", "Smith^John", NEAR),
        ("Smith^Jhon", "Smith^John", NEAR),
        ("Papadopoulos^Konstantin", "Papadop^Konstantinos", NEAR),
        ("Meier^Anna", "Schmidt^Anna", NEAR),
        ("Lovett", "Lovett^Ada", NEAR),
        ("Lovett^Baby Boy", "Lovett^Liam", NEAR),
        ("Lovett^Ada", "Lovett^Ben", DIFFERENT),
        ("Lovett^Ada", "Okafor^Ben", DIFFERENT),
        ("Lee^Al", "Lee^Bo", DIFFERENT),
        ("Lovett", "Okafor^Ben", DIFFERENT),
        ("", "Lovett^Ada", UNKNOWN),
        ("Unknown^Male 3", "Lovett^Ada", UNKNOWN),
        ("Doe^Jane", "Lovett^Ada", UNKNOWN),
        ("NOTFALL^X", "Lovett^Ada", UNKNOWN),
        ("Baby^Girl", "Lovett^Ada", UNKNOWN),
        ("=山田^太郎", "Yamada^Tarou", UNKNOWN),
    ],
)
def test_names(one: str, other: str, likeness: Likeness) -> None:
    assert alike(a_name(one), a_name(other)) is likeness
    assert alike(a_name(other), a_name(one)) is likeness
