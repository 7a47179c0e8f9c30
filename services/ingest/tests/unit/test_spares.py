"""Files of the journal are written over again, which shows nowhere, also after a power cut; headers of members."""

import os
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fj_packs.pack import Place
from fj_packs.tar import BLOCK, DATA_CHECKSUM, HEADER, member_header, walk
from ingest_service.adapters.files import new_segment_id
from ingest_service.adapters.journal import Limits
from ingest_service.domain.reception import NotAccepted

from services.ingest.tests.unit.test_journal import MIB, ORIGIN, a_journal, digests, listed, put, sha256, taken

LARGE = Limits(segment_bytes=64 * MIB, idle_seconds=5, age_seconds=30, free_bytes_min=0)
"""For files that are worth being written over."""


def only(folder: Path, pattern: str = "*") -> Path:
    (path,) = folder.glob(pattern)
    return path


def ends_of(path: Path) -> list[int]:
    with path.open("rb") as file:
        return [found.end for found in walk(file)]


async def shipped(folder: Path) -> list[str]:
    """Digests of what lies sealed in the journal, which forgets it as the shipper does."""
    found = []
    for segment in taken(folder):
        found += await digests(segment)
        await segment.delete()
    return found


async def test_a_shipped_file_is_written_over_by_the_next_segment(tmp_path: Path) -> None:
    journal = a_journal(tmp_path, LARGE)
    first = journal.writer(ORIGIN)
    long = [put(first, pixels=4 * MIB) for _ in range(5)]
    first.close()
    assert await shipped(tmp_path) == sha256(*long)
    inode = only(tmp_path, "*.spare").stat().st_ino

    second = journal.writer(ORIGIN)
    short = put(second)
    second.close()
    sealed = only(tmp_path)
    assert sealed.stat().st_ino == inode
    assert len(listed(sealed)) == 2
    assert await shipped(tmp_path) == sha256(short)


@pytest.mark.parametrize("torn", ["the whole beginning", "all behind the first member"])
async def test_members_of_the_segment_before_are_never_taken_for_new_ones(tmp_path: Path, torn: str) -> None:
    """What a power cut can leave of a file that is written over: new blocks and old ones, side by side."""
    journal = a_journal(tmp_path, LARGE)
    first = journal.writer(ORIGIN)
    for _ in range(5):
        put(first, pixels=4 * MIB)
    first.close()
    old = only(tmp_path).read_bytes()
    await shipped(tmp_path)

    second = journal.writer(ORIGIN)
    kept = put(second, pixels=4 * MIB)
    opened = only(tmp_path)
    now = opened.read_bytes()
    ends = ends_of(opened)
    new = b"" if torn == "the whole beginning" else now[: ends[1]]
    lost = tmp_path / "lost"
    lost.mkdir()
    (lost / opened.name).write_bytes(new + old[len(new) :])
    assert len(ends_of(lost / opened.name)) == len(ends) + 4  # tar finds them all
    assert await shipped(lost) == (sha256(kept) if new else [])
    second.close()


def test_spare_files_give_way_when_the_disk_fills(tmp_path: Path) -> None:
    (tmp_path / f"{new_segment_id()}.spare").write_bytes(bytes(MIB))
    free = os.statvfs(tmp_path)
    nearly_full = Limits(MIB, 5, 30, free_bytes_min=free.f_bavail * free.f_frsize * 2)
    with pytest.raises(NotAccepted):
        a_journal(tmp_path, nearly_full).check_room()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("length", [5000, 8 * 1024**3, 10 * 10**9])
@pytest.mark.parametrize("uid", ["1.2", "1.2.826.0.1.3680043.8.498." + "7" * 38])
def test_headers_of_a_member_are_those_that_tarfile_writes(length: int, uid: str) -> None:
    place = Place(uid, uid, 0, length, 360, "a" * 32, datetime(2026, 3, 2, 8, 30, 0, 123456, UTC))
    written = member_header(place, "b" * 64)
    info = tarfile.TarInfo(f"{uid}/{uid}")
    info.size, info.mode, info.mtime = length, 0o640, place.received_at.timestamp()
    info.pax_headers = {DATA_CHECKSUM: "a" * 32, HEADER: "360:" + "b" * 64}
    expected = info.tobuf(tarfile.PAX_FORMAT)
    assert written[2 * BLOCK :] == expected[2 * BLOCK :]
    lines = expected[BLOCK : 2 * BLOCK].rstrip(b"\0").splitlines(keepends=True)
    assert sorted(written[BLOCK : 2 * BLOCK].rstrip(b"\0").splitlines(keepends=True)) == sorted(lines)
