"""The disk is told early of a data set that comes alone; what is acknowledged does not depend on it (decision 10)."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fj_dicom import file_header
from fj_packs.pack import Identity
from ingest_service.adapters import files
from ingest_service.adapters import journal as module
from ingest_service.adapters.journal import FolderEntry, FolderWriter, Limits
from ingest_service.adapters.segment import EARLY

from services.ingest.tests.builders import CT, EXPLICIT, an_instance, encoded
from services.ingest.tests.unit.test_journal import MIB, ORIGIN, a_journal, digests, sha256, taken

ROOMY = Limits(segment_bytes=16 * MIB, idle_seconds=600, age_seconds=600, free_bytes_min=0)
PIECE = 60_000
"""What arrives at once: no divisor of anything."""
WRITE = 2
"""SYNC_FILE_RANGE_WRITE: begin to write, wait for nothing (sync_file_range(2))."""
Tell = Callable[[int, int, int, int], int]


def file_of(descriptor: int) -> Path:
    return Path(f"/proc/self/fd/{descriptor}").readlink()


@dataclass
class Told:
    """What the system was told to begin with, and what it said; `tell` stands in for sync_file_range(2)."""

    tell: Tell
    ranges: list[tuple[Path, int, int]] = field(default_factory=list)
    bytes: bytearray = field(default_factory=bytearray)
    """What stood in these ranges when they were told."""
    flags: set[int] = field(default_factory=set)
    answers: set[int] = field(default_factory=set)

    def __call__(self, descriptor: int, offset: int, length: int, flags: int) -> int:
        self.ranges.append((file_of(descriptor), offset, length))
        self.bytes += os.pread(descriptor, length, offset)
        self.flags.add(flags)
        answer = self.tell(descriptor, offset, length, flags)
        self.answers.add(answer)
        return answer


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    told = Told(files._sync_file_range)
    monkeypatch.setattr(files, "_sync_file_range", told)
    return told


@dataclass(frozen=True)
class Sent:
    """One data set, and the Part 10 header that it gets."""

    header: bytes
    data: bytes
    identity: Identity

    @property
    def whole(self) -> bytes:
        return self.header + self.data

    def begun(self, writer: FolderWriter) -> FolderEntry:
        return writer.begin(self.identity, self.header)

    def arrives(self, entry: FolderEntry) -> None:
        for start in range(0, len(self.data), PIECE):
            entry.write(memoryview(self.data)[start : start + PIECE])


def a_data_set(study: str = "1.2.3", pixels: int = MIB) -> Sent:
    dataset = an_instance(study, "1.2.3.1", pixels=pixels)
    header = file_header(CT, dataset.SOPInstanceUID, EXPLICIT, "CT9")
    return Sent(header, encoded(dataset), Identity(CT, dataset.SOPInstanceUID, "1.2.3.1", study, EXPLICIT))


def received(writer: FolderWriter, sent: Sent) -> None:
    entry = sent.begun(writer)
    sent.arrives(entry)
    entry.commit()


def being_written(folder: Path) -> set[Path]:
    return set(folder.glob("*.open"))


async def test_a_data_set_that_comes_alone_is_told_while_it_comes_each_byte_once(tmp_path: Path, told: Told) -> None:
    writer = a_journal(tmp_path, ROOMY).writer(ORIGIN)
    for sent in (a_data_set(), a_data_set()):
        told.ranges.clear()
        told.bytes.clear()
        entry = sent.begun(writer)
        sent.arrives(entry)
        assert all(EARLY <= length < EARLY + PIECE + len(sent.header) for _, _, length in told.ranges)
        assert len(sent.whole) - EARLY < len(told.bytes) <= len(sent.whole)
        entry.commit()
        assert sent.whole.startswith(told.bytes)
        starts = [offset for _, offset, _ in told.ranges]
        ends = [offset + length for _, offset, length in told.ranges]
        assert starts[1:] == ends[:-1]
        assert {path for path, _, _ in told.ranges} == being_written(tmp_path)
    assert (told.flags, told.answers) == ({WRITE}, {0})
    writer.close()
    (segment,) = taken(tmp_path)
    assert starts[0] == (await segment.contents()).members[-1].place.offset
    segment.release()


def test_a_small_data_set_is_told_by_its_sync_alone(tmp_path: Path, told: Told) -> None:
    writer = a_journal(tmp_path, ROOMY).writer(ORIGIN)
    received(writer, a_data_set(pixels=EARLY // 2))
    writer.close()
    assert told.ranges == []


def test_while_several_data_sets_come_only_the_first_of_them_is_told(
    tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = a_journal(tmp_path, ROOMY)
    writers = [journal.writer(ORIGIN), journal.writer(ORIGIN)]
    first, second = a_data_set(), a_data_set("1.2.4")
    entries = [first.begun(writers[0]), second.begun(writers[1])]
    second.arrives(entries[1])
    assert told.ranges == []
    first.arrives(entries[0])
    assert first.whole.startswith(told.bytes)
    assert told.bytes
    for entry in entries:
        entry.commit()
    told.bytes.clear()
    third = a_data_set("1.2.4")
    received(writers[1], third)
    assert told.bytes == b"", "several senders take turns in being alone"
    monkeypatch.setattr(module, "ALONE_AFTER_S", 0.0)
    received(writers[1], third)
    assert third.whole.startswith(told.bytes)
    assert told.bytes
    for writer in writers:
        writer.close()


def does_nothing(_descriptor: int, _offset: int, _length: int, _flags: int) -> int:
    return 0


def is_not_supported(_descriptor: int, _offset: int, _length: int, _flags: int) -> int:
    return -1


@pytest.mark.parametrize("hint", [files._sync_file_range, does_nothing, is_not_supported])
async def test_all_of_a_data_set_stands_in_the_file_when_it_is_synced_and_nothing_is_acknowledged_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hint: Tell
) -> None:
    """What a sync has promised is what a power cut may leave: it is kept as a copy, and recovered."""
    monkeypatch.setattr(files, "_sync_file_range", hint)
    journal, left = tmp_path / "journal", tmp_path / "left"
    left.mkdir()
    sync = os.fdatasync

    def keep(descriptor: int) -> None:
        sync(descriptor)
        path = file_of(descriptor)
        shutil.copy(path, left / path.name)

    monkeypatch.setattr(os, "fdatasync", keep)
    writer = a_journal(journal, ROOMY).writer(ORIGIN)
    acknowledged = []
    for sent in (a_data_set(), a_data_set(pixels=100), a_data_set()):
        received(writer, sent)
        acknowledged.append(sent.data)
        (segment,) = taken(left)
        assert await digests(segment) == sha256(*acknowledged)
        segment.release()
        segment.path.unlink()
    writer.close()
