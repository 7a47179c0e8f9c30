"""Site profiles: whose they are, and what is told of one that cannot be used."""

from pathlib import Path

import pytest
from fj_hl7 import CWE, PID, BadProfile, Item, Profiles
from fj_hl7.profile import DEFAULT

NETWORK = """
profiles:
  ORBIS:
    senders:
      - {application: ORBIS}
      - {peer: 10.0.0.0/8}
    character_set: {name: 8859/1}
    places:
      patient_id: ["PID-3[5=MR]"]
    codes:
      sex: {W: F}
      order_control: {SC/CA: CA, NEU: NW}
      procedure: {5520: {code: CTCHEST}}
  ORBIS-WEST:
    senders:
      - {application: ORBIS, facility: WEST}
      - {peer: 10.9.0.0/16}
    character_set: {name: UNICODE UTF-8, always: true}
"""


def load(folder: Path, text: str) -> Profiles:
    path = folder / "profiles.yaml"
    path.write_text(text)
    return Profiles.load(path, {"MAIN", "NORTH"})


@pytest.fixture
def profiles(tmp_path: Path) -> Profiles:
    return load(tmp_path, NETWORK)


def message(application: str, facility: str = "", charset: str = "", name: bytes = b"Muller") -> bytes:
    head = f"MSH|^~\\&|{application}|{facility}|||2026||ADT^A08|C1|P|2.5||||||{charset}\r"
    return head.encode() + b"PID|||77^^^X^PI~88^^^X^MR||" + name + b"^Ada||19700401|W\r"


@pytest.mark.parametrize(
    ("application", "facility", "peer", "profile"),
    [
        ("ORBIS", "", "127.0.0.1", "ORBIS"),
        ("ORBIS", "WEST", "127.0.0.1", "ORBIS-WEST"),
        ("ORBIS", "", "10.9.1.1", "ORBIS"),
        ("OTHER", "", "10.1.1.1", "ORBIS"),
        ("OTHER", "", "10.9.1.1", "ORBIS-WEST"),
        ("OTHER", "WEST", "127.0.0.1", "standard"),
        ("", "", "nowhere", "standard"),
    ],
)
def test_a_message_is_read_by_the_most_exact_profile(
    profiles: Profiles, application: str, facility: str, peer: str, profile: str
) -> None:
    assert profiles.read(message(application, facility), peer).profile.name == profile


def test_without_a_file_all_write_as_the_standard_says() -> None:
    assert Profiles.load(None).read(message("ORBIS")).profile is DEFAULT


@pytest.mark.parametrize(
    ("facility", "charset", "name"),
    [
        ("", "", b"M\xfcller"),
        ("", "UNICODE UTF-8", "Müller".encode()),
        ("WEST", "8859/1", "Müller".encode()),
        ("WEST", "", "Müller".encode()),
    ],
)
def test_the_character_set_is_the_profiles_where_msh_18_is_empty_or_always_lies(
    profiles: Profiles, facility: str, charset: str, name: bytes
) -> None:
    read = profiles.read(message("ORBIS", facility, charset, name))
    assert read["PID"].get(5) == "Müller"
    assert read.warnings == []


def test_the_patients_number_and_sex_are_read_by_the_profile(profiles: Profiles) -> None:
    read = profiles.read(message("ORBIS"))
    pid = PID.read(read["PID"], read.profile)
    assert [cx.value for cx in pid.ids] == ["88", "77"]
    assert pid.sex == "F"


def test_codes_are_translated_and_those_that_are_not_listed_mean_what_they_say(profiles: Profiles) -> None:
    profile = profiles.read(message("ORBIS")).profile
    assert [profile.control(*said) for said in (("SC", "CA"), ("SC", "IP"), ("NEU", ""))] == ["CA", "SC", "NW"]
    assert profile.procedure(CWE("5520", "Thorax")) == CWE("CTCHEST")
    assert profile.procedure(CWE("1")) == CWE("1")


def test_a_folder_is_all_its_files(tmp_path: Path) -> None:
    for name in ("A", "B"):
        (tmp_path / f"{name}.yaml").write_text(f"profiles: {{{name}: {{senders: [{{application: {name}}}]}}}}")
    assert {profile.name for profile in Profiles.load(tmp_path)} == {"A", "B"}


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("", 1, "must be one mapping 'profiles'"),
        ("profiles: [", 1, "expected the node content"),
        ("profiles:\n A:\n  senders: []", 3, "profiles.A.senders: Tuple should have at least 1 item"),
        ("profiles:\n A: {}", 2, "profiles.A.senders: Field required"),
        (
            "profiles:\n A:\n  senders: [{application: X}]\n  site: SOUTH",
            2,
            "profiles.A.site: there is no site 'SOUTH'",
        ),
        ("profiles:\n A:\n  senders: [{peer: x}]", 3, "profiles.A.senders.0.peer"),
        ("profiles:\n A:\n  senders: [{}]\n  time_zone: Nix", 4, "profiles.A.time_zone: there is no time zone 'Nix'"),
        ("profiles:\n A:\n  senders: [{}]\n  character_set: {name: KOI8}", 4, "'KOI8' is not in HL7 table 0211"),
        (
            "profiles:\n A:\n  senders: [{}]\n  places:\n   priority:\n    - OBR-5\n    - OBR5",
            7,
            "priority.1: 'OBR5' is no place",
        ),
        ("profiles:\n A:\n  senders: [{}]\n  places:\n   prio: [OBR-5]", 5, "profiles.A.places.prio"),
        ("profiles:\n A:\n  senders: [{}]\n  places:\n   patient_id: [ZPI-1]", 4, "patient_id must be in PID"),
        ("profiles:\n A:\n  senders: [{}]\n  codes:\n   priority:\n    X: Q", 6, "profiles.A.codes.priority.X"),
        ("profiles:\n A:\n  senders: [{}]\n B:\n  senders: [{}]", 4, "profiles.B.senders: */* has A already"),
    ],
)
def test_a_mistake_is_told_with_file_line_and_field(tmp_path: Path, text: str, line: int, told: str) -> None:
    with pytest.raises(BadProfile) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path}/profiles.yaml:{line}: ")
    assert told in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadProfile, match=r"none\.yaml"):
        Profiles.load(tmp_path / "none.yaml")
    assert Item.PRIORITY in DEFAULT.places


def test_a_changed_file_is_read_anew_and_one_with_a_mistake_leaves_what_was(tmp_path: Path) -> None:
    profiles = load(tmp_path, NETWORK)
    assert not profiles.refresh()
    assert profiles.read(message("ORBIS")).profile.name == "ORBIS"
    path = tmp_path / "profiles.yaml"
    path.write_text(NETWORK.replace("  ORBIS:", "  ORBIS-NEW:"))
    assert profiles.refresh()
    assert profiles.read(message("ORBIS")).profile.name == "ORBIS-NEW"
    path.write_text("profiles: {ORBIS: {senders: []}}")
    with pytest.raises(BadProfile, match="senders"):
        profiles.refresh()
    assert not profiles.refresh()
    assert profiles.read(message("ORBIS")).profile.name == "ORBIS-NEW"


def test_a_profile_that_is_put_into_the_folder_or_taken_out_counts(tmp_path: Path) -> None:
    profiles = Profiles.load(tmp_path)
    assert profiles.read(message("ORBIS")).profile is DEFAULT
    path = tmp_path / "orbis.yaml"
    path.write_text(NETWORK)
    assert profiles.refresh()
    assert profiles.read(message("ORBIS")).profile.name == "ORBIS"
    path.unlink()
    assert profiles.refresh()
    assert profiles.read(message("ORBIS")).profile is DEFAULT
