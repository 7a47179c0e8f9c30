"""Batches of files through STOW-RS (PS3.18 section 10.5)."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

from filmjacket.errors import NotReachable
from filmjacket.importing.files import UNREADABLE, DicomFile

PIECE: Final = 1024 * 1024
REFERENCED_SOP_INSTANCE_UID: Final = "00081155"
FAILURE_REASON: Final = "00081197"
FAILED_SOP_SEQUENCE: Final = "00081198"
REFERENCED_SOP_SEQUENCE: Final = "00081199"
OUT_OF_RESOURCES: Final = 0xA700
BUSY: Final = frozenset((429, 502, 503, 504))
ANSWERED: Final = frozenset((200, 202, 409))
"""Statuses that come with a result for each instance."""
PAUSE_S: Final = 1.0
PAUSE_MAX_S: Final = 60.0
TIMEOUT_S: Final = 300.0
_WORDS: Final[Mapping[int, str]] = {
    0x0122: "SOP class not supported",
    OUT_OF_RESOURCES: "the archive has no room",
    0xA900: "the data set is not what its header says",
    0xC000: "the data set is cut short, broken, or lacks a UID",
    0xC122: "transfer syntax not supported",
}
"""Failure reasons (PS3.18 table I.2-2)."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A file that was not stored."""

    file: DicomFile
    why: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch."""

    stored: Sequence[DicomFile]
    failed: Sequence[Failed]


class Stow:
    """Sends batches; for several threads at once. `sent` is told how many bytes have gone out."""

    def __init__(self, client: httpx.Client, address: str, sent: Callable[[int], None], patience_s: float) -> None:
        self._client = client
        self._address = address
        self._sent = sent
        self._patience_s = patience_s

    def store(self, files: Sequence[DicomFile]) -> Outcome:
        """Send until each file is stored or will never be. Raises NotReachable when that takes too long."""
        stored: list[DicomFile] = []
        failed: list[Failed] = []
        waiting, pause, until = list(files), PAUSE_S, time.monotonic() + self._patience_s
        while waiting:
            outcome, waiting, why = self._try(waiting)
            stored += outcome.stored
            failed += outcome.failed
            if not waiting or not why:
                continue
            if time.monotonic() + pause > until:
                raise NotReachable(f"{self._address}: {why}; start the import again, it goes on where it stopped")
            time.sleep(pause)
            pause = min(2 * pause, PAUSE_MAX_S)
        return Outcome(stored, failed)

    def _try(self, files: Sequence[DicomFile]) -> tuple[Outcome, list[DicomFile], str]:
        """What is certain, what is to be sent again, and what has to get better before that."""
        try:
            answer = self._post(files)
        except httpx.HTTPError as error:
            return Outcome((), ()), list(files), type(error).__name__
        except _Unreadable as unreadable:
            rest = [file for file in files if file is not unreadable.file]
            return Outcome((), [Failed(unreadable.file, "cannot be read")]), rest, ""
        if answer.status_code in BUSY:
            return Outcome((), ()), list(files), f"status {answer.status_code}"
        outcome, again = _read(answer, files)
        return outcome, again, _WORDS[OUT_OF_RESOURCES]

    def _post(self, files: Sequence[DicomFile]) -> httpx.Response:
        boundary = secrets.token_hex(16)
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
        headers = {"Content-Type": kind, "Accept": "application/dicom+json"}
        return self._client.post(self._address, content=self._body(files, boundary.encode()), headers=headers)

    def _body(self, files: Sequence[DicomFile], boundary: bytes) -> Iterator[bytes]:
        for file in files:
            yield b"--%b\r\nContent-Type: application/dicom\r\n\r\n" % boundary
            for piece in _pieces(file):
                self._sent(len(piece))
                yield piece
            yield b"\r\n"
        yield b"--%b--\r\n" % boundary


class _Unreadable(Exception):
    def __init__(self, file: DicomFile) -> None:
        super().__init__(file.name)
        self.file = file


def _pieces(file: DicomFile) -> Iterator[bytes]:
    try:
        with file.open() as content:
            while piece := content.read(PIECE):
                yield piece
    except UNREADABLE as error:
        raise _Unreadable(file) from error


def _read(answer: httpx.Response, files: Sequence[DicomFile]) -> tuple[Outcome, list[DicomFile]]:
    """What is certain, and the files that are worth another try."""
    if answer.status_code not in ANSWERED:
        return Outcome((), [Failed(file, f"refused with status {answer.status_code}") for file in files]), []
    told = answer.json()
    here = {_uid(item) for item in _items(told, REFERENCED_SOP_SEQUENCE)}
    reasons = {_uid(item): _reason(item) for item in _items(told, FAILED_SOP_SEQUENCE)}
    missing = [file for file in files if file.sop_instance_uid not in here]
    again = [file for file in missing if reasons.get(file.sop_instance_uid) == OUT_OF_RESOURCES]
    failed = [_failed(file, reasons.get(file.sop_instance_uid)) for file in missing if file not in again]
    return Outcome([file for file in files if file.sop_instance_uid in here], failed), again


def _failed(file: DicomFile, reason: int | None) -> Failed:
    if reason is None:
        return Failed(file, _WORDS[0xC000])
    return Failed(file, _WORDS.get(reason, f"failure reason {reason:04X}H"))


def _items(told: dict[str, Any], sequence: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = told.get(sequence, {}).get("Value", [])
    return items


def _uid(item: dict[str, Any]) -> str:
    return str(next(iter(item.get(REFERENCED_SOP_INSTANCE_UID, {}).get("Value", [])), ""))


def _reason(item: dict[str, Any]) -> int:
    return int(next(iter(item.get(FAILURE_REASON, {}).get("Value", [])), 0))
