"""Private elements of the Native DICOM Model (PS3.19 A.1.5): their creator stands in place of the block."""

import pytest
from ingest_service.entrypoints.native_xml import described


def document(*elements: tuple[str, str | None, str]) -> bytes:
    """Of LO elements: tag, private creator, value."""
    written = [
        f'<DicomAttribute tag="{tag}" vr="LO"{f" privateCreator={creator!r}" if creator else ""}>'
        f'<Value number="1">{value}</Value></DicomAttribute>'
        for tag, creator, value in elements
    ]
    return f"<NativeDicomModel>{''.join(written)}</NativeDicomModel>".encode()


def values(text: bytes) -> dict[str, str]:
    return {tag: element["Value"][0] for tag, element in described(text).items()}


def test_each_creator_has_a_block_of_its_own() -> None:
    elements = (("00290010", "ACME", "a"), ("00290010", "OTHER", "b"), ("00290011", "ACME", "c"))
    assert values(document(*elements, ("00310010", "OTHER", "d"))) == {
        "00290010": "ACME",
        "00290011": "OTHER",
        "00291010": "a",
        "00291110": "b",
        "00291011": "c",
        "00310010": "OTHER",
        "00311010": "d",
    }


def test_a_creator_that_is_written_as_an_element_too_is_the_same_one() -> None:
    assert values(document(("00290010", None, "ACME"), ("00290010", "ACME", "a"))) == {
        "00290010": "ACME",
        "00291010": "a",
    }


def test_a_group_has_no_more_than_240_blocks() -> None:
    many = document(*(("00290010", f"C{number}", "a") for number in range(240)))
    assert len(described(many)) == 480
    with pytest.raises(ValueError, match="more private creators"):
        described(document(*(("00290010", f"C{number}", "a") for number in range(241))))
