"""Packs on a local disk: what is damaged is never served, the bound holds, a full disk only means no cache."""

import hashlib
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fj_objects import ByteRange
from storage_service.adapters.cache_files import BLOCK, CacheFolder, NoRoom, NotInMemory

DATA = os.urandom(3 * BLOCK + 1000)
CUTS = [
    ByteRange(0, len(DATA)),
    ByteRange(0, 1),
    ByteRange(BLOCK - 1, 2),
    ByteRange(BLOCK, BLOCK),
    ByteRange(3 * BLOCK + 999, 1),
]


def keep(folder: CacheFolder, key: str, data: bytes = DATA, sha256: str | None = None) -> bool:
    with folder.writing("b", key, len(data)) as file:
        for start in range(0, len(data), 100_000):
            file.write(data[start : start + 100_000])
        return file.finish(sha256 or hashlib.sha256(data).hexdigest())


def read(folder: CacheFolder, key: str, cut: ByteRange = CUTS[0]) -> bytes | None:
    found = folder.read("b", key, cut, wait=True)
    return None if found is None else bytes(found)


def files(path: Path) -> list[Path]:
    return [file for file in path.iterdir() if file.name != "lock"]


@pytest.mark.parametrize("cut", CUTS)
def test_a_cut_comes_back_as_it_was_put_in(tmp_path: Path, cut: ByteRange) -> None:
    folder = CacheFolder(tmp_path / "cache", 2**30)
    assert read(folder, "p") is None
    assert keep(folder, "p")
    assert read(folder, "p", cut) == DATA[cut.offset : cut.offset + cut.length]
    assert folder.holds("b", "p")
    assert folder.read("other", "p", cut, wait=True) is None
    again = CacheFolder(tmp_path / "cache", 2**30)  # another process, or the same one after a restart
    assert read(again, "p", cut) == DATA[cut.offset : cut.offset + cut.length]


def test_what_memory_does_not_hold_takes_a_wait(tmp_path: Path) -> None:
    folder = CacheFolder(tmp_path, 2**30)
    keep(folder, "p")
    (file,) = files(tmp_path)
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    try:
        assert memoryview(DATA) == folder.read("b", "p", CUTS[0], wait=False)  # a file system that keeps all in memory
    except NotInMemory:
        assert read(folder, "p") == DATA


@pytest.mark.parametrize("place", [0, BLOCK + 5, len(DATA) - 1, len(DATA) + 3, -10, -25])
def test_a_damaged_file_is_never_served(tmp_path: Path, place: int) -> None:
    folder = CacheFolder(tmp_path, 2**30)
    keep(folder, "p")
    (file,) = files(tmp_path)
    content = bytearray(file.read_bytes())
    content[place] ^= 0x40
    file.write_bytes(content)
    assert read(folder, "p") is None
    assert not file.exists()


@pytest.mark.parametrize("length", [0, 7, 40, BLOCK, len(DATA)])
def test_a_torn_file_is_never_served(tmp_path: Path, length: int) -> None:
    folder = CacheFolder(tmp_path, 2**30)
    keep(folder, "p")
    os.truncate(files(tmp_path)[0], length)
    assert read(folder, "p") is None
    assert files(tmp_path) == []


def test_a_file_under_the_name_of_another_is_never_served(tmp_path: Path) -> None:
    folder = CacheFolder(tmp_path, 2**30)
    keep(folder, "p")
    (first,) = files(tmp_path)
    keep(folder, "q")
    (second,) = set(files(tmp_path)) - {first}
    first.replace(second)
    assert read(folder, "q") is None


def test_what_is_not_whole_or_not_what_its_writer_said_is_not_kept(tmp_path: Path) -> None:
    folder = CacheFolder(tmp_path, 2**30)
    assert not keep(folder, "p", sha256="0" * 64)
    with folder.writing("b", "q", len(DATA)) as file:
        file.write(DATA[:BLOCK])
        assert not file.finish(None)
    with pytest.raises(RuntimeError), folder.writing("b", "r", len(DATA)):
        raise RuntimeError
    assert files(tmp_path) == []


def test_the_bound_holds_and_what_was_used_last_stays(tmp_path: Path) -> None:
    folder = CacheFolder(tmp_path, 4 * len(DATA))
    for age, key in enumerate(("old", "used", "young")):
        keep(folder, key)
        newest = max(files(tmp_path), key=lambda file: file.stat().st_mtime)
        os.utime(newest, (0, 1_000 + age))
    assert read(folder, "old") == DATA  # that makes it the one that was used last
    keep(folder, "new")
    assert [read(folder, key) is not None for key in ("old", "used", "young", "new")] == [True, False, True, True]
    assert sum(file.stat().st_size for file in files(tmp_path)) <= 4 * len(DATA)


def test_files_that_somebody_began_and_left_are_removed(tmp_path: Path) -> None:
    left, begun = tmp_path / "x.1.part", tmp_path / "y.1.part"
    for file in (left, begun):
        file.write_bytes(DATA)
    os.utime(left, (0, 0))
    folder = CacheFolder(tmp_path, 2 * len(DATA))
    keep(folder, "p")
    assert not left.exists()
    assert begun.exists()


def test_a_full_disk_is_said_at_once_and_leaves_nothing(tmp_path: Path) -> None:
    folder = CacheFolder(tmp_path, 2**30)
    with at_most(BLOCK), pytest.raises(OSError, match="large"), folder.writing("b", "p", len(DATA)):
        pytest.fail("there is no room for it")
    assert files(tmp_path) == []


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """Files of this process may not grow beyond it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_is_fetched_ahead_takes_no_place_that_was_used_lately_and_is_the_first_to_go(tmp_path: Path) -> None:
    day = 24 * 3600.0
    folder = CacheFolder(tmp_path, int(len(DATA) * 2.5))

    def ahead(key: str) -> bool:
        with folder.writing("b", key, len(DATA), idle=day) as file:
            file.write(DATA)
            return file.finish(None)

    keep(folder, "received")
    assert ahead("prior")
    with pytest.raises(NoRoom):
        ahead("another prior")
    assert folder.holds("b", "received")
    keep(folder, "received later")
    assert [folder.holds("b", key) for key in ("received", "received later", "prior")] == [True, True, False]
    for file in files(tmp_path):
        os.utime(file, (file.stat().st_mtime - 2 * day,) * 2)
    assert ahead("another prior")


def test_a_pack_that_is_forgotten_is_not_here_any_more(tmp_path: Path) -> None:
    folder = CacheFolder(tmp_path / "cache", 2**30)
    folder.forget("b", "p")
    assert keep(folder, "p")
    folder.forget("b", "p")
    assert read(folder, "p") is None
    assert not files(tmp_path / "cache")


def test_one_of_those_that_share_a_folder_is_told_that_it_is_the_one(tmp_path: Path) -> None:
    one, other, elsewhere = CacheFolder(tmp_path, 1), CacheFolder(tmp_path, 1), CacheFolder(tmp_path / "other", 1)
    assert one.alone()
    assert one.alone()
    assert not other.alone()
    assert elsewhere.alone()
