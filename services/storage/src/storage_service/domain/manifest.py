"""A manifest: instances of one series in one pack, what they are and where they lie, in a few bytes each.

Layout of version 1, numbers little endian:

    version     1 byte
    instances   4 bytes: n
    uids        4 bytes: length, then zlib of the SOP Instance UIDs
    columns     4 bytes: length, then zlib of the rest, column after column (a column of like values shrinks best)
    digests     n times the SHA-256 of the data set as received: nothing makes these shorter

Instances stand in the order in which they lie in the pack. What is told twice is written once: UIDs begin alike, so
their common beginning is cut off and what is left is a number for most devices; a file begins a little behind the one
before.

Version 0 is JSON, an array for each instance: rows of older schemas come like this out of a migration.
"""

import json
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Final, NamedTuple, TypeAlias

VERSION: Final = 1
ROWS: Final = 0
"""The version of what a migration has written."""
BLOCK: Final = 512
"""Files in a tar begin at multiples of this."""
DIGEST: Final = 32
_HEADER: Final = struct.Struct("<BI")
_LENGTH: Final = struct.Struct("<I")
_COLUMN: Final = struct.Struct("<BBq")
_WIDTHS: Final = {0: "", 1: "B", 2: "H", 4: "I", 8: "Q"}
_NUMBERS, _TEXT, _WIDE = 0, 1, 2
"""What is left of the UIDs: numbers in a column, text, or numbers too long for a column."""
_ABSENT, _PLAIN, _GAPS, _STEPS = 0, 1, 2, 3
"""A column: without any value, value by value, with some missing, by the step from each value to the next."""

Value: TypeAlias = int | None


class Entry(NamedTuple):
    """An instance in a pack. A tuple, because thousands are made to answer one question."""

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    instance_number: int | None
    rows: int | None
    columns: int | None
    number_of_frames: int | None
    offset: int
    """Of the Part 10 file inside the pack, bytes."""
    length: int
    """Of the Part 10 file, bytes."""
    data_offset: int
    """Of the data set inside the Part 10 file, bytes."""
    sha256: bytes
    """Of the data set as received."""
    revision: int = 0
    """0 is current; others came later with the same UID and other bytes, and are kept."""

    @property
    def data(self) -> tuple[int, int]:
        """Where the data set begins inside the pack, and its length."""
        return self.offset + self.data_offset, self.length - self.data_offset


def written(entries: Iterable[Entry]) -> bytes:
    """As bytes; the same entries give the same bytes."""
    ordered = sorted(entries, key=lambda entry: (entry.offset, entry.revision, entry.sop_instance_uid))
    uids = zlib.compress(_written_uids([entry.sop_instance_uid for entry in ordered]), 9)
    columns = zlib.compress(_written_columns(ordered), 9)
    sizes = _LENGTH.pack(len(uids)), _LENGTH.pack(len(columns))
    digests = b"".join(entry.sha256 for entry in ordered)
    return b"".join((_HEADER.pack(VERSION, len(ordered)), sizes[0], uids, sizes[1], columns, digests))


def uids_of(data: bytes) -> list[str]:
    """The SOP Instance UIDs of a manifest, without the trouble of reading all of it."""
    if data[0] == ROWS:
        return [entry.sop_instance_uid for entry in _entries_of_rows(data)]
    count, end = _opened(data)
    return _read_uids(zlib.decompress(data[_HEADER.size + _LENGTH.size : end]), count)


def entries_of(data: bytes) -> list[Entry]:
    """The instances of a manifest, in the order in which they lie. Raises ValueError for a version from the future."""
    if data[0] == ROWS:
        return _entries_of_rows(data)
    count, end = _opened(data)
    (length,) = _LENGTH.unpack_from(data, end)
    begin = end + _LENGTH.size
    digests = data[begin + length :]
    uids = _read_uids(zlib.decompress(data[_HEADER.size + _LENGTH.size : end]), count)
    columns = _read_columns(zlib.decompress(data[begin : begin + length]), count)
    cut = (digests[place : place + DIGEST] for place in range(0, count * DIGEST, DIGEST))
    *told, revisions = columns
    return list(map(Entry._make, zip(uids, *told, cut, revisions, strict=True)))


def revision_of(entry: Entry, before: Sequence[Entry]) -> int | None:
    """The revision of an instance behind those that came before it under its UID; None where its bytes are known."""
    if any(entry.sha256 == one.sha256 for one in before):
        return None
    return max((one.revision for one in before), default=-1) + 1


def _opened(data: bytes) -> tuple[int, int]:
    """How many instances, and where the UIDs end."""
    version, count = _HEADER.unpack_from(data)
    if version != VERSION:
        raise ValueError(f"a manifest of version {version}, known is {VERSION}")
    (length,) = _LENGTH.unpack_from(data, _HEADER.size)
    return count, _HEADER.size + _LENGTH.size + length


def _written_uids(uids: Sequence[str]) -> bytes:
    """Their common beginning, up to a dot, and how each goes on."""
    common = _common(uids)
    rests = [uid[len(common) :] for uid in uids]
    head = bytes((len(common),)) + common.encode()
    # A number that is not written like one (007) has to stay text.
    if not all(rest.isdecimal() and rest.isascii() and (rest[0] != "0" or rest == "0") for rest in rests):
        return bytes((_TEXT,)) + head + "\n".join(rests).encode()
    numbers = list(map(int, rests))
    if max(numbers, default=0) < 1 << 62:
        return bytes((_NUMBERS,)) + head + _written_column(numbers)
    width = (max(numbers).bit_length() + 7) // 8
    return bytes((_WIDE,)) + head + bytes((width,)) + b"".join(number.to_bytes(width, "little") for number in numbers)


def _common(uids: Sequence[str]) -> str:
    first, last = min(uids, default=""), max(uids, default="")  # what these two share, all share
    length = next((place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[: first.rfind(".", 0, length) + 1]


def _read_uids(text: bytes, count: int) -> list[str]:
    kind, begin = text[0], 2 + text[1]
    common = text[2:begin].decode()
    if kind == _TEXT:
        return [common + rest for rest in text[begin:].decode().split("\n")] if count else []
    if kind == _NUMBERS:
        return [f"{common}{number}" for number in _read_column(text, begin, count)[0]]
    width = text[begin]
    places = range(begin + 1, begin + 1 + width * count, width)
    return [f"{common}{int.from_bytes(text[place : place + width], 'little')}" for place in places]


def _written_columns(entries: Sequence[Entry]) -> bytes:
    classes = sorted({entry.sop_class_uid for entry in entries})
    syntaxes = sorted({entry.transfer_syntax_uid for entry in entries})
    terms = "\n".join(("\t".join(classes), "\t".join(syntaxes))).encode()
    columns: tuple[list[Value], ...] = (
        _places([entry.sop_class_uid for entry in entries], classes),
        _places([entry.transfer_syntax_uid for entry in entries], syntaxes),
        [entry.instance_number for entry in entries],
        [entry.rows for entry in entries],
        [entry.columns for entry in entries],
        [entry.number_of_frames for entry in entries],
        [entry.offset - before for entry, before in zip(entries, _ends(entries), strict=False)],
        [entry.length for entry in entries],
        [entry.data_offset for entry in entries],
        [entry.revision for entry in entries],
    )
    return _LENGTH.pack(len(terms)) + terms + b"".join(map(_written_column, columns))


def _places(values: Iterable[str], known: Sequence[str]) -> list[Value]:
    places = {value: place for place, value in enumerate(known)}
    return [places[value] for value in values]


def _ends(entries: Iterable[Entry]) -> Iterator[int]:
    """Where the file before each one ends, with its padding."""
    yield 0
    for entry in entries:
        yield _padded(entry.offset + entry.length)


def _padded(end: int) -> int:
    return -(-end // BLOCK) * BLOCK


def _read_columns(text: bytes, count: int) -> list[Sequence[object]]:
    (length,) = _LENGTH.unpack_from(text)
    place = _LENGTH.size + length
    classes, syntaxes = (line.split("\t") for line in text[_LENGTH.size : place].decode().split("\n"))
    columns: list[list[Value]] = []
    for _ in range(10):
        column, place = _read_column(text, place, count)
        columns.append(column)
    class_places, syntax_places, *plain, gaps, lengths, data_offsets, revisions = columns
    offsets = _offsets(gaps, lengths)
    return [
        [classes[number or 0] for number in class_places],
        [syntaxes[number or 0] for number in syntax_places],
        *plain,
        offsets,
        lengths,
        data_offsets,
        revisions,
    ]


def _offsets(gaps: Iterable[Value], lengths: Iterable[Value]) -> list[int]:
    offsets, end = [], 0
    for gap, length in zip(gaps, lengths, strict=True):
        offsets.append(end + (gap or 0))
        end = _padded(offsets[-1] + (length or 0))
    return offsets


def _written_column(values: Sequence[Value]) -> bytes:
    """A column as the shortest of what it can be."""
    if not values or values.count(values[0]) == len(values):  # most columns are like this
        base = values[0] if values else None
        return _COLUMN.pack(_ABSENT, 0, 0) if base is None else _COLUMN.pack(_PLAIN, 0, base)
    known = [value for value in values if value is not None]
    base = min(known)
    if len(known) < len(values):
        return _numbers(_GAPS, base, [0 if value is None else value - base + 1 for value in values])
    plain = _numbers(_PLAIN, base, [value - base for value in known])
    steps = [after - before for before, after in pairwise(known)]
    least = min(steps)
    stepped = _numbers(_STEPS, known[0], [step - least for step in steps], struct.pack("<q", least))
    return min(plain, stepped, key=len)


def _numbers(kind: int, base: int, values: Sequence[int], more: bytes = b"") -> bytes:
    most = max(values)
    width = next(width for width in _WIDTHS if most < 1 << (8 * width))
    packed = struct.pack(f"<{len(values)}{_WIDTHS[width]}", *values) if width else b""
    return _COLUMN.pack(kind, width, base) + more + packed


def _read_column(text: bytes, place: int, count: int) -> tuple[list[Value], int]:
    """The column that begins at `place`, and where the next one does."""
    kind, width, base = _COLUMN.unpack_from(text, place)
    place += _COLUMN.size
    if kind == _ABSENT:
        return [None] * count, place
    least, number = 0, count
    if kind == _STEPS:
        (least,) = struct.unpack_from("<q", text, place)
        place, number = place + 8, count - 1
    values = struct.unpack_from(f"<{number}{_WIDTHS[width]}", text, place) if width else (0,) * number
    place += width * number
    if kind == _STEPS:
        return list(accumulate((value + least for value in values), initial=base)), place
    if kind == _GAPS:
        return [None if value == 0 else value + base - 1 for value in values], place
    return [value + base for value in values], place


def _entries_of_rows(data: bytes) -> list[Entry]:
    return [Entry._make((*told, bytes.fromhex(digest), revision)) for *told, digest, revision in json.loads(data[1:])]
