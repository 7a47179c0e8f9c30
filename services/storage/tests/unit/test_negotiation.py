"""What a client accepts, and in which form it is given."""

import pytest
from fj_runtime import Problem
from storage_service.entrypoints.dicomweb.choices import (
    Form,
    choose_description,
    choose_file,
    choose_frames,
    choose_octets,
    choose_picture,
)
from storage_service.entrypoints.dicomweb.negotiation import BadAccept, alternatives

EXPLICIT, IMPLICIT, BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
JPEG, J2K = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90"


def test_the_preferred_comes_first_and_the_query_counts_before_the_header() -> None:
    found = alternatives('application/json;q=0.5, multipart/related; type="application/dicom"; transfer-syntax=*')
    assert [(one.type, one.part, one.transfer_syntax) for one in found] == [
        ("multipart/related", "application/dicom", "*"),
        ("application/json", None, None),
    ]
    assert alternatives("text/html", ["application/dicom+json"])[0].type == "application/dicom+json"
    assert [one.type for one in alternatives(None)] == ["*/*"]
    assert [one.part for one in alternatives("multipart/related; type=application/dicom")] == ["application/dicom"]


@pytest.mark.parametrize("header", ["nonsense", "a/b/c", "application/json; q=high"])
def test_a_header_that_cannot_be_read(header: str) -> None:
    with pytest.raises(BadAccept):
        alternatives(header)


def never(_syntax: str, _wanted: str) -> bool:
    return False


def always(_syntax: str, _wanted: str) -> bool:
    return True


@pytest.mark.parametrize(
    ("accept", "syntaxes", "single", "multipart"),
    [
        ("*/*", {EXPLICIT}, True, True),
        ('multipart/related; type="application/dicom"', {EXPLICIT, JPEG}, False, True),
        ('multipart/related; type="application/dicom"; transfer-syntax=*', {EXPLICIT, JPEG}, False, True),
        (f'multipart/related; type="application/dicom"; transfer-syntax={JPEG}', {JPEG}, False, True),
        ("application/dicom", {EXPLICIT}, True, False),
        ("application/dicom; transfer-syntax=*", {JPEG}, True, False),
        ("text/html, application/dicom;q=0.1", {JPEG}, True, False),
    ],
)
def test_files(accept: str, syntaxes: set[str], *, single: bool, multipart: bool) -> None:
    assert choose_file(alternatives(accept), syntaxes, never, single=single).multipart is multipart


@pytest.mark.parametrize(
    ("accept", "syntaxes", "single"),
    [
        ("text/html", {EXPLICIT}, True),
        ("application/dicom", {EXPLICIT}, False),
        (f"application/dicom; transfer-syntax={EXPLICIT}", {JPEG}, True),
        (f'multipart/related; type="application/dicom"; transfer-syntax={EXPLICIT}', {EXPLICIT, JPEG}, False),
        ('multipart/related; type="image/jpeg"', {EXPLICIT}, True),
    ],
)
def test_files_in_a_form_that_is_not_offered(accept: str, syntaxes: set[str], *, single: bool) -> None:
    with pytest.raises(Problem) as problem:
        choose_file(alternatives(accept), syntaxes, never, single=single)
    assert problem.value.status_code == 406


OCTETS = "application/octet-stream"


@pytest.mark.parametrize(
    ("accept", "syntax", "single", "form"),
    [
        ("*/*", EXPLICIT, True, Form(OCTETS, EXPLICIT, multipart=True)),
        ("*/*", JPEG, True, Form("image/jpeg", JPEG, multipart=True)),
        (f'multipart/related; type="{OCTETS}"', IMPLICIT, True, Form(OCTETS, EXPLICIT, multipart=True)),
        (f'multipart/related; type="{OCTETS}"; transfer-syntax=*', JPEG, True, Form(OCTETS, JPEG, multipart=True)),
        (f"multipart/related; type={OCTETS}; transfer-syntax=*", BIG, False, Form(OCTETS, BIG, multipart=True)),
        ('multipart/related; type="image/jpeg"', JPEG, False, Form("image/jpeg", JPEG, multipart=True)),
        ('multipart/related; type="image/*"', JPEG, False, Form("image/jpeg", JPEG, multipart=True)),
        ("multipart/related", JPEG, False, Form("image/jpeg", JPEG, multipart=True)),
        (OCTETS, EXPLICIT, True, Form(OCTETS, EXPLICIT, multipart=False)),
        ("image/jpeg", JPEG, True, Form("image/jpeg", JPEG, multipart=False)),
    ],
)
def test_frames(accept: str, syntax: str, *, single: bool, form: Form) -> None:
    assert choose_frames(alternatives(accept), syntax, never, encapsulated=syntax == JPEG, single=single) == form


@pytest.mark.parametrize(
    ("accept", "syntax", "single"),
    [
        (f'multipart/related; type="{OCTETS}"', JPEG, True),  # means Explicit VR Little Endian: would be transcoding
        (f'multipart/related; type="{OCTETS}"', BIG, True),
        ('multipart/related; type="image/jpeg"', EXPLICIT, True),
        (f'multipart/related; type="{OCTETS}"; transfer-syntax={EXPLICIT}', JPEG, True),
        ("image/jpeg", JPEG, False),
        ("text/html", EXPLICIT, True),
    ],
)
def test_frames_in_a_form_that_is_not_offered(accept: str, syntax: str, *, single: bool) -> None:
    with pytest.raises(Problem) as problem:
        choose_frames(alternatives(accept), syntax, never, encapsulated=syntax == JPEG, single=single)
    assert problem.value.status_code == 406


DICOM = 'multipart/related; type="application/dicom"'


@pytest.mark.parametrize(
    ("accept", "wanted", "converted"),
    [
        (f"{DICOM}; transfer-syntax={J2K}", J2K, True),
        (f"{DICOM}; transfer-syntax={J2K}, {DICOM}; transfer-syntax={JPEG}", None, False),  # as it is, among equals
        (f"{DICOM}; transfer-syntax={J2K}, {DICOM}; transfer-syntax={JPEG}; q=0.5", J2K, True),
        (f"{DICOM}; transfer-syntax={J2K}; q=0.5, {DICOM}; transfer-syntax=*", None, False),
    ],
)
def test_files_are_converted_where_they_are_not_wanted_as_they_are(
    accept: str, wanted: str | None, *, converted: bool
) -> None:
    form = choose_file(alternatives(accept), {JPEG}, always, single=False)
    assert (form.transfer_syntax, form.converted) == (wanted, converted)


@pytest.mark.parametrize(
    ("accept", "syntax", "form"),
    [
        (f'multipart/related; type="{OCTETS}"', JPEG, Form(OCTETS, EXPLICIT, multipart=True, converted=True)),
        (OCTETS, BIG, Form(OCTETS, EXPLICIT, multipart=False, converted=True)),
        ("image/jp2", EXPLICIT, Form("image/jp2", J2K, multipart=False, converted=True)),
        (
            f'multipart/related; type="image/jp2"; transfer-syntax={J2K}',
            JPEG,
            Form("image/jp2", J2K, multipart=True, converted=True),
        ),
        (
            f'multipart/related; type="{OCTETS}"; transfer-syntax={J2K}',
            EXPLICIT,
            Form(OCTETS, J2K, multipart=True, converted=True),
        ),
        ("image/jp2, image/jpeg", JPEG, Form("image/jpeg", JPEG, multipart=False)),
    ],
)
def test_frames_are_converted_where_they_are_not_wanted_as_they_are(accept: str, syntax: str, form: Form) -> None:
    assert choose_frames(alternatives(accept), syntax, always, encapsulated=syntax == JPEG, single=True) == form


JSON, XML = "application/dicom+json", "application/dicom+xml"
PARTS_OF_XML = f'multipart/related; type="{XML}"'


@pytest.mark.parametrize(
    ("accept", "single", "kind", "multipart"),
    [
        ("*/*", False, JSON, False),
        ("application/*", True, JSON, False),
        (JSON, False, JSON, False),
        ("application/json", False, JSON, False),
        (PARTS_OF_XML, False, XML, True),
        ("multipart/related", False, XML, True),
        (XML, True, XML, False),
        (f"{XML}, */*", True, XML, False),
        (f"*/*, {PARTS_OF_XML}", False, XML, True),
        (f"{PARTS_OF_XML}, {JSON}", False, JSON, False),
        (f"{PARTS_OF_XML}, {JSON};q=0.9", False, XML, True),
        (f"{PARTS_OF_XML};q=0.2, {JSON};q=0.9", False, JSON, False),
        (f"{XML}, {JSON};q=0.1", False, JSON, False),
    ],
)
def test_descriptions(accept: str, kind: str, *, single: bool, multipart: bool) -> None:
    found = choose_description(alternatives(accept), single=single)
    assert (found.media_type, found.multipart) == (kind, multipart)


@pytest.mark.parametrize("accept", [XML, "text/html", 'multipart/related; type="application/dicom"'])
def test_descriptions_that_are_not_offered(accept: str) -> None:
    with pytest.raises(Problem) as refused:
        choose_description(alternatives(accept), single=False)
    assert refused.value.status_code == 406


def test_bulk_data() -> None:
    assert choose_octets(alternatives("*/*")).multipart
    assert not choose_octets(alternatives(OCTETS)).multipart
    with pytest.raises(Problem):
        choose_octets(alternatives("image/jpeg"))


@pytest.mark.parametrize(
    ("accept", "single", "kind", "multipart"),
    [
        ("image/png", True, "image/png", False),
        ("image/png", False, "image/png", True),
        ("*/*", True, "image/jpeg", False),
        ("image/*;q=0.2, image/png", True, "image/png", False),
        ("multipart/related; type=image/png", True, "image/png", True),
        ("multipart/related", True, "image/jpeg", True),
        ("text/html, image/png;q=0.1", False, "image/png", True),
    ],
)
def test_pictures(accept: str, kind: str, *, single: bool, multipart: bool) -> None:
    found = choose_picture(alternatives(accept), ("image/jpeg", "image/png"), single=single)
    assert (found.media_type, found.multipart) == (kind, multipart)


@pytest.mark.parametrize("accept", ["image/tiff", "multipart/related; type=application/dicom"])
def test_pictures_that_are_not_offered(accept: str) -> None:
    with pytest.raises(Problem) as refused:
        choose_picture(alternatives(accept), ("image/jpeg",), single=False)
    assert refused.value.status_code == 406
