"""A journal on several disks: a segment lies where there is most room, a full or broken disk costs only itself."""

from pathlib import Path
from uuid import UUID

import pytest
from fj_packs.pack import Defaults
from ingest_service.adapters import journal as module
from ingest_service.adapters.journal import FolderJournal, FolderWriter, Limits
from ingest_service.adapters.sealed import take
from ingest_service.domain.reception import NotAccepted, Reason
from ingest_service.settings import Settings
from pydantic import ValidationError

from services.ingest.tests.unit.test_journal import ORIGIN, put

MIB = 1024 * 1024
LIMITS = Limits(segment_bytes=MIB, idle_seconds=5, age_seconds=30, free_bytes_min=100)


class Disks:
    """Two folders that are as full as the test says."""

    def __init__(self, root: Path) -> None:
        self.first, self.second = root / "first", root / "second"
        self.free = {self.first: 300, self.second: 200}

    def journal(self) -> FolderJournal:
        return FolderJournal([self.first, self.second], LIMITS, lambda: None)

    def count(self) -> tuple[int, int]:
        """Segments on each."""
        first, second = (len(list(folder.glob("*.*"))) for folder in (self.first, self.second))
        return first, second


@pytest.fixture
def disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disks:
    disks = Disks(tmp_path)
    monkeypatch.setattr(module, "_free_bytes", lambda folder: disks.free[folder])
    return disks


def refused(writer: FolderWriter) -> Reason:
    with pytest.raises(NotAccepted) as refusal:
        put(writer)
    return refusal.value.reason


def test_a_segment_is_opened_where_there_is_most_room(disks: Disks) -> None:
    journal = disks.journal()
    put(journal.writer(ORIGIN), "1.2.1")
    disks.free[disks.second] = 400
    put(journal.writer(ORIGIN), "1.2.2")
    put(journal.writer(ORIGIN), "1.2.3")
    assert disks.count() == (1, 2)


def test_segments_that_are_written_at_the_same_time_are_spread_over_the_disks(disks: Disks) -> None:
    journal = disks.journal()
    for number in range(4):
        put(journal.writer(ORIGIN), f"1.2.{number}")
    assert disks.count() == (2, 2)


def test_the_other_disk_is_used_when_one_is_nearly_full_and_senders_are_told_when_all_are(disks: Disks) -> None:
    journal = disks.journal()
    writer = journal.writer(ORIGIN)
    put(writer)
    disks.free[disks.first] = 99
    put(writer)
    put(writer)
    assert disks.count() == (1, 1)
    assert journal.status().accepting
    disks.free[disks.second] = 99
    assert refused(writer) is Reason.OUT_OF_RESOURCES
    assert not journal.status().accepting
    disks.free[disks.first] = 101
    put(writer)
    writer.close()
    assert disks.count() == (2, 1)


def test_a_disk_that_fills_up_under_a_data_set_ends_it(disks: Disks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECK_BYTES", 1000)
    writer = disks.journal().writer(ORIGIN)
    put(writer)
    disks.free |= {disks.first: 150, disks.second: 99}

    def fill(folder: Path) -> int:
        disks.free[folder] -= 30
        return disks.free[folder]

    monkeypatch.setattr(module, "_free_bytes", fill)
    assert refused(writer) is Reason.OUT_OF_RESOURCES
    monkeypatch.setattr(module, "_free_bytes", lambda _: 1000)
    put(writer)
    writer.close()


def test_a_broken_disk_is_passed_over(disks: Disks) -> None:
    journal = disks.journal()
    disks.first.rmdir()
    put(journal.writer(ORIGIN))
    assert len(list(disks.second.iterdir())) == 1


async def test_segments_of_all_disks_are_shipped_the_oldest_first(disks: Disks) -> None:
    journal = disks.journal()
    for number, room in enumerate((400, 100, 400), start=1):
        disks.free[disks.first] = room
        writer = journal.writer(ORIGIN)
        put(writer, f"1.2.{number}")
        writer.close()
    assert disks.count() == (2, 1)
    taken = take(journal.folders, lambda origin: Defaults(origin.site, origin.site))
    assert [(await segment.contents()).study_instance_uid for segment in taken] == ["1.2.1", "1.2.2", "1.2.3"]


def test_the_setting_is_one_folder_or_several(monkeypatch: pytest.MonkeyPatch) -> None:
    def folders(journal: str) -> tuple[Path, ...]:
        monkeypatch.setenv("INGEST_JOURNAL", journal)
        return Settings.model_validate({}).journal

    monkeypatch.setenv("INGEST_POSTGRES", "postgresql://ingest@127.0.0.1/ingest")
    monkeypatch.setenv("FJ_PATIENT_NAMESPACE", str(UUID(int=1)))
    assert folders("/a/journal") == (Path("/a/journal"),)
    assert folders("/a/journal:/b/journal") == (Path("/a/journal"), Path("/b/journal"))
    for wrong in (":", "/a:", "/a:/a"):
        with pytest.raises(ValidationError, match="folders expected"):
            folders(wrong)
