"""The journal on a real disk: what is committed survives, what is torn does not, who holds a lock is left alone."""

import hashlib
import os
import resource
import subprocess
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fj_dicom import file_header
from fj_events import Source
from fj_packs.pack import Defaults, Identity, Origin, Place
from fj_packs.reading import BrokenSegment
from fj_packs.tar import member_header, walk
from ingest_service.adapters.files import State, lock, new_segment_id, opened_at, parse, path_of, unlock
from ingest_service.adapters.journal import FolderJournal, FolderWriter, Limits
from ingest_service.adapters.sealed import SealedSegment, take
from ingest_service.adapters.segment import OpenSegment
from ingest_service.domain.reception import NotAccepted, Reason
from xxhash import xxh3_128

from services.ingest.tests.builders import CT, EXPLICIT, an_instance, encoded

ORIGIN = Origin(Source.DIMSE, "MAIN", "CT9")
MIB = 1024 * 1024
LIMITS = Limits(segment_bytes=MIB, idle_seconds=5, age_seconds=30, free_bytes_min=0)


def a_journal(folder: Path, limits: Limits = LIMITS, on_sealed: Callable[[], None] = lambda: None) -> FolderJournal:
    return FolderJournal([folder], limits, on_sealed)


def put(writer: FolderWriter, study: str = "1.2.3", pixels: int = 5000) -> bytes:
    """Commit one instance; its data set."""
    dataset = an_instance(study, "1.2.3.1", pixels=pixels)
    data = encoded(dataset)
    identity = Identity(CT, dataset.SOPInstanceUID, "1.2.3.1", study, EXPLICIT)
    entry = writer.begin(identity, file_header(CT, dataset.SOPInstanceUID, EXPLICIT, "CT9"))
    entry.write(data[:1000])
    try:
        entry.write(memoryview(data)[1000:])
        entry.commit()
    finally:
        entry.abandon()
    return data


def taken(folder: Path) -> list[SealedSegment]:
    return list(take([folder], lambda origin: Defaults(origin.site, origin.site)))


async def digests(segment: SealedSegment) -> list[str]:
    return [member.sha256 for member in (await segment.contents()).members]


def listed(path: Path) -> list[str]:
    """What GNU tar finds, without a word of complaint."""
    told = subprocess.run(["tar", "tf", path], capture_output=True, text=True, check=True)
    assert told.stderr == ""
    return told.stdout.split()


def sha256(*data: bytes) -> list[str]:
    return [hashlib.sha256(piece).hexdigest() for piece in data]


async def test_a_closed_segment_is_a_plain_tar_with_its_origin(tmp_path: Path) -> None:
    writer = a_journal(tmp_path).writer(ORIGIN)
    sent = [put(writer), put(writer)]
    writer.close()
    (segment,) = taken(tmp_path)
    contents = await segment.contents()
    assert (contents.study_instance_uid, contents.origin) == ("1.2.3", ORIGIN)
    assert await digests(segment) == sha256(*sent)
    names = [f"1.2.3.1/{member.identity.sop_instance_uid}" for member in contents.members]
    assert listed(segment.path) == ["filmjacket.json", *names]
    segment.release()


def test_a_change_of_study_and_a_full_segment_close_it(tmp_path: Path) -> None:
    writer = a_journal(tmp_path).writer(ORIGIN)
    put(writer, "1.2.3")
    put(writer, "1.2.4")
    assert [path.suffix for path in sorted(tmp_path.iterdir())] == [".tar", ".open"]
    put(writer, "1.2.4", pixels=MIB)
    assert [path.suffix for path in sorted(tmp_path.iterdir())] == [".tar", ".tar"]
    writer.close()


def test_a_sweep_closes_what_is_idle_and_leaves_what_is_being_written(tmp_path: Path) -> None:
    sealed: list[bool] = []
    journal = a_journal(tmp_path, Limits(MIB, 0, 30, 0), lambda: sealed.append(True))
    writer = journal.writer(ORIGIN)
    put(writer)
    entry = writer.begin(Identity(CT, "1.2", "1.2", "1.2.3", EXPLICIT), b"")
    sealed.clear()
    journal.sweep()
    assert not sealed
    entry.write(b"x")
    entry.commit()
    journal.sweep()
    assert sealed
    writer.close()


def test_a_segment_without_members_leaves_no_file(tmp_path: Path) -> None:
    writer = a_journal(tmp_path).writer(ORIGIN)
    writer.begin(Identity(CT, "1.2", "1.2", "1.2.3", EXPLICIT), b"").abandon()
    writer.close()
    assert not list(tmp_path.iterdir())


async def test_an_abandoned_member_is_written_over(tmp_path: Path) -> None:
    writer = a_journal(tmp_path).writer(ORIGIN)
    sent = [put(writer)]
    entry = writer.begin(Identity(CT, "1.2", "1.2", "1.2.3", EXPLICIT), b"header")
    entry.write(os.urandom(100_000))
    entry.abandon()
    sent.append(put(writer, pixels=10))
    writer.close()
    (segment,) = taken(tmp_path)
    assert await digests(segment) == sha256(*sent)


async def test_what_an_abandoned_member_left_behind_is_never_taken_for_a_member(tmp_path: Path) -> None:
    """Not even where it is written like one: the bytes come from outside."""
    died, folder = tmp_path / "died", tmp_path / "found"
    folder.mkdir()
    writer = a_journal(died).writer(ORIGIN)
    place = Place("1.2", "1.3", 0, 512, 0, xxh3_128(bytes(512)).hexdigest(), datetime.now(UTC))
    forged = member_header(place, hashlib.sha256(b"").hexdigest()) + bytes(512)
    identity = Identity(CT, "1.2", "1.2", "1.2.3", EXPLICIT)
    abandoned = writer.begin(identity, b"")
    abandoned.write(forged * 20)
    abandoned.abandon()
    kept = writer.begin(identity, b"")
    data = b"x" * 3 * len(forged)
    kept.write(data)
    kept.commit()
    (file,) = died.iterdir()
    (folder / file.name).write_bytes(file.read_bytes())
    writer.close()
    (segment,) = taken(folder)
    with segment.path.open("rb") as opened:
        assert [found.place.checksum for found in walk(opened) if found.place] == [xxh3_128(data).hexdigest()]


def test_an_open_segment_is_nobody_elses(tmp_path: Path) -> None:
    writer = a_journal(tmp_path).writer(ORIGIN)
    put(writer)
    assert taken(tmp_path) == []
    writer.close()
    (segment,) = taken(tmp_path)
    assert taken(tmp_path) == []
    segment.release()
    assert len(taken(tmp_path)) == 1


def test_a_segment_is_never_taken_for_an_orphan_while_it_is_being_made(tmp_path: Path) -> None:
    stop = threading.Event()
    stolen: list[SealedSegment] = []

    def steal() -> None:
        while not stop.is_set():
            stolen.extend(taken(tmp_path))

    thief = threading.Thread(target=steal)
    thief.start()
    try:
        for _ in range(300):
            segment = OpenSegment(tmp_path, "1.2.3", ORIGIN, 4096)
            assert path_of(tmp_path, segment.id, State.OPEN).exists()
            segment.seal()
    finally:
        stop.set()
        thief.join()
    assert stolen == []


def test_what_a_writer_left_that_died_before_its_segment_had_a_name_goes(tmp_path: Path) -> None:
    left, fresh = tmp_path / f"{new_segment_id()}.fresh", tmp_path / f"{new_segment_id()}.fresh"
    left.touch()
    fresh.touch()
    os.utime(left, (0, 0))
    assert taken(tmp_path) == []
    assert (left.exists(), fresh.exists()) == (False, True)


def cut_in_the_data(file: Path, last: int) -> None:
    os.truncate(file, last + 2000)


def lose_the_data(file: Path, last: int) -> None:
    """As a power cut may: the headers are on the disk, the blocks of the data are not."""
    _overwrite(file, last + 500, bytes(3000))


def lose_the_header(file: Path, last: int) -> None:
    _overwrite(file, last - 1536, bytes(1536))


def tear_the_header(file: Path, last: int) -> None:
    _overwrite(file, last - 1000, os.urandom(400))


def lose_the_file_header(file: Path, last: int) -> None:
    _overwrite(file, last + 130, bytes(100))


def _overwrite(file: Path, offset: int, data: bytes) -> None:
    with file.open("r+b") as opened:
        opened.seek(offset)
        opened.write(data)


@pytest.mark.parametrize(
    "damage", [cut_in_the_data, lose_the_data, lose_the_header, tear_the_header, lose_the_file_header]
)
async def test_recovery_keeps_every_whole_member_and_stops_at_the_first_torn_one(
    tmp_path: Path, damage: Callable[[Path, int], None]
) -> None:
    died, folder = tmp_path / "died", tmp_path / "found"
    folder.mkdir()
    writer = a_journal(died).writer(ORIGIN)
    sent = [put(writer) for _ in range(3)]
    (file,) = died.iterdir()
    orphan = folder / file.name
    orphan.write_bytes(file.read_bytes())
    writer.close()
    (whole,) = taken(died)
    damage(orphan, (await whole.contents()).members[-1].place.offset)
    (segment,) = taken(folder)
    assert await digests(segment) == sha256(*sent[:2])
    assert parse(segment.path) == (whole.id, State.SEALED)
    assert len(listed(segment.path)) == 3


async def test_recovery_of_an_undamaged_orphan_loses_nothing(tmp_path: Path) -> None:
    died, folder = tmp_path / "died", tmp_path / "found"
    folder.mkdir()
    writer = a_journal(died).writer(ORIGIN)
    sent = [put(writer) for _ in range(3)]
    (file,) = died.iterdir()
    (folder / file.name).write_bytes(file.read_bytes())
    (segment,) = taken(folder)
    assert await digests(segment) == sha256(*sent)
    writer.close()


@pytest.mark.parametrize("content", [b"", b"x" * 10_000, bytes(10_000)])
def test_an_orphan_without_a_whole_member_goes(tmp_path: Path, content: bytes) -> None:
    path_of(tmp_path, new_segment_id(), State.OPEN).write_bytes(content)
    assert taken(tmp_path) == []
    assert not list(tmp_path.iterdir())


async def test_a_sealed_file_that_is_no_segment_is_kept_and_named(tmp_path: Path) -> None:
    segment_id = new_segment_id()
    path_of(tmp_path, segment_id, State.SEALED).write_bytes(b"x" * 10_000)
    (segment,) = taken(tmp_path)
    with pytest.raises(BrokenSegment, match=str(segment_id)):
        await segment.contents()
    assert segment.path.exists()


def test_a_full_disk_is_a_refusal_and_is_over_when_there_is_room(tmp_path: Path) -> None:
    stat = os.statvfs(tmp_path)
    more_than_there_is = stat.f_blocks * stat.f_frsize + 1
    writer = a_journal(tmp_path, Limits(MIB, 5, 30, more_than_there_is)).writer(ORIGIN)
    with pytest.raises(NotAccepted) as refusal:
        put(writer)
    assert refusal.value.reason is Reason.OUT_OF_RESOURCES
    writer.close()
    roomless = a_journal(tmp_path, Limits(more_than_there_is, 5, 30, 0)).writer(ORIGIN)
    with pytest.raises(NotAccepted) as refusal:
        put(roomless)
    assert refusal.value.reason is Reason.OUT_OF_RESOURCES
    roomless.close()
    assert not list(tmp_path.iterdir())


async def test_a_file_that_an_error_came_from_is_not_written_to_again(tmp_path: Path) -> None:
    writer = a_journal(tmp_path, Limits(64 * 1024, 5, 30, 0)).writer(ORIGIN)
    sent = [put(writer)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100 * 1024, hard))
    try:
        with pytest.raises(NotAccepted) as refusal:
            put(writer, pixels=200 * 1024)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert refusal.value.reason is Reason.OUT_OF_RESOURCES
    sent.append(put(writer))
    writer.close()
    first, second = taken(tmp_path)
    assert await digests(first) + await digests(second) == sha256(*sent)


def test_segments_are_named_in_order_of_time() -> None:
    first, second = new_segment_id(), new_segment_id()
    assert first != second
    assert first.version == 7
    assert 0 <= opened_at(second) - opened_at(first) < 5


def test_a_lock_is_not_given_on_a_file_that_was_replaced(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    held = lock(file)
    assert held is not None
    assert lock(file) is None
    file.unlink()
    unlock(held)
    assert lock(file) is None
