"""What was received is compared with its checksum before anybody is told of it."""

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest
from fj_packs.reading import ABOUT, BrokenSegment, about
from fj_packs.tar import DATA_SHA256, HEADER, header_digest
from ingest_service.adapters.files import State, new_segment_id, path_of

from services.ingest.tests.builders import an_instance, encoded, part10
from services.ingest.tests.unit.test_journal import ORIGIN, a_journal, digests, put, sha256, taken


def segment_in(folder: Path) -> Path:
    (file,) = folder.iterdir()
    return file


def alter(file: Path, data: bytes) -> None:
    """One bit near the end of what stands there."""
    place = file.read_bytes().index(data) + len(data) - 5
    with file.open("r+b") as opened:
        opened.seek(place)
        opened.write(bytes([data[-5] ^ 1]))


async def test_a_byte_that_the_disk_altered_keeps_a_segment_in_the_journal(tmp_path: Path) -> None:
    writer = a_journal(tmp_path).writer(ORIGIN)
    put(writer)
    altered = put(writer)
    writer.close()
    alter(segment_in(tmp_path), altered)
    (segment,) = taken(tmp_path)
    with pytest.raises(BrokenSegment, match="other bytes"):
        await segment.contents()
    segment.release()
    assert segment_in(tmp_path).exists()


async def test_a_segment_of_an_earlier_version_is_shipped_as_it_is(tmp_path: Path) -> None:
    image = an_instance("1.2.3", "1.2.3.1")
    data, file = encoded(image), part10(image)
    header = file[: len(file) - len(data)]
    segment = new_segment_id()
    path = path_of(tmp_path, segment, State.SEALED)
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        told = about(segment, "1.2.3", ORIGIN)
        first = tarfile.TarInfo(ABOUT)
        first.size = len(told)
        archive.addfile(first, io.BytesIO(told))
        member = tarfile.TarInfo(f"1.2.3.1/{image.SOPInstanceUID}")
        member.size = len(file)
        member.pax_headers = {
            DATA_SHA256: hashlib.sha256(data).hexdigest(),
            HEADER: f"{len(header)}:{header_digest(segment, header)}",
        }
        archive.addfile(member, io.BytesIO(file))
    (found,) = taken(tmp_path)
    assert await digests(found) == sha256(data)
    found.release()
    opened = path.rename(path_of(tmp_path, segment, State.OPEN))  # as a writer of that version left it that died
    os.utime(opened)
    (found,) = taken(tmp_path)
    assert await digests(found) == sha256(data)
    found.release()
