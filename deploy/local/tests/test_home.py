"""What lies in `FJ_HOME`."""

import json
import stat
from pathlib import Path

from fj_local.credentials import load_credentials
from fj_local.home import Home


def test_generated_passwords_are_for_the_owner_only_and_stay(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    first = load_credentials(path, ("order",))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len({first.postgres, first.s3_admin, first.s3_services, first.roles["order"]}) == 4
    later = load_credentials(path, ("order", "storage"))
    assert later.patient_namespace == first.patient_namespace
    assert later.roles["order"] == first.roles["order"] != later.roles["storage"]


def test_passwords_are_not_shown(tmp_path: Path) -> None:
    credentials = load_credentials(tmp_path / "secrets.json")
    assert credentials.postgres not in repr(credentials)


def test_two_installations_derive_different_patient_ids(tmp_path: Path) -> None:
    one, other = (load_credentials(tmp_path / name) for name in ("a", "b"))
    assert one.patient_namespace != other.patient_namespace


def test_what_is_not_ours_survives_clean_data(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    home = Home(tmp_path)
    with home.locked():
        load_credentials(home.secrets)
        (home.data / "kafka").mkdir()
    home.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_pid_file_cut_off_while_written_is_none(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create()
    home.pid_file("order").write_text(json.dumps({"pid": 1})[:-3])
    assert home.running("order") is None
