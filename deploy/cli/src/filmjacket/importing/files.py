"""The DICOM files of folders and zips."""

import hashlib
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from fj_dicom import BadDataSet, read_file_header

from filmjacket.errors import NoSuchThing

HEAD_MAX: Final = 65536 + 132
MEDIA_STORAGE_DIRECTORY: Final = "1.2.840.10008.1.3.10"
"""A DICOMDIR (PS3.10): an index of files that are imported themselves."""


@dataclass(frozen=True, slots=True)
class DicomFile:
    """One instance as it lies in an archive."""

    name: str
    """Its path, for a member of a zip behind that of the zip."""
    size: int
    sop_instance_uid: str
    """As its file meta information says; may be empty."""
    key: str
    """The same for the same file as long as it does not change."""
    source: "Source" = field(repr=False)

    def open(self) -> IO[bytes]:
        """Its content. Raises what `UNREADABLE` lists, also while it is read."""
        return self.source.open(self.name)


UNREADABLE: Final = (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError)
"""What reading may raise; the last two where a member of a zip is encrypted or packed in a way that is not known."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """What is not imported."""

    name: str
    why: str


class Source:
    """A folder, a file, or a zip."""

    def __init__(self, path: Path, archive: zipfile.ZipFile | None) -> None:
        self._path = path
        self._archive = archive

    def open(self, name: str) -> IO[bytes]:
        """The file of this name."""
        if self._archive is None:
            return Path(name).open("rb")
        return self._archive.open(name.removeprefix(f"{self._path}/"))

    def entries(self) -> Iterator[tuple[str, int, str]]:
        """Name, size and age mark of each file, in order."""
        if self._archive is not None:
            for info in self._archive.infolist():
                if not info.is_dir():
                    yield f"{self._path}/{info.filename}", info.file_size, f"{info.CRC:08x}"
            return
        paths = sorted(self._path.rglob("*")) if self._path.is_dir() else [self._path]
        for path in paths:
            if path.is_file():
                stat = path.stat()
                yield str(path), stat.st_size, str(stat.st_mtime_ns)


def sources(paths: Sequence[Path], opened: ExitStack) -> list[Source]:
    """What the operator named; zips stay open as long as `opened`. Raises NoSuchThing."""
    found = []
    for path in paths:
        if not path.exists():
            raise NoSuchThing(f"there is no {path}")
        is_zip = path.is_file() and zipfile.is_zipfile(path)
        archive = opened.enter_context(zipfile.ZipFile(path)) if is_zip else None
        found.append(Source(path.resolve(), archive))
    return found


def dicom_files(found: Sequence[Source]) -> Iterator[DicomFile | Skipped]:
    """Each file, or why it is passed over."""
    for source in found:
        for name, size, mark in source.entries():
            try:
                yield _look(source, name, size, mark)
            except UNREADABLE as error:
                yield Skipped(name, f"cannot be read: {type(error).__name__}")


def _look(source: Source, name: str, size: int, mark: str) -> DicomFile | Skipped:
    with source.open(name) as file:
        head = file.read(HEAD_MAX)
    try:
        header = read_file_header(memoryview(head))
    except BadDataSet:
        return Skipped(name, "is no DICOM file")
    if header is None:
        return Skipped(name, "ends before its data set begins" if head[128:132] == b"DICM" else "is no DICOM file")
    if header.sop_class_uid == MEDIA_STORAGE_DIRECTORY:
        return Skipped(name, "is a DICOMDIR")
    key = hashlib.sha256(f"{name}\0{size}\0{mark}".encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return DicomFile(name, size, header.sop_instance_uid, key, source)
