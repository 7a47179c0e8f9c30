"""Instances that are kept under the UID of another one, read out of their packs beside it."""

import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Final

from fj_objects import ByteRange
from fj_packs.pack import Origin
from fj_packs.reading import ABOUT, read_about
from fj_packs.tar import BLOCK, HEADER_ROOM, first_member, padding, received_at
from pydicom import DataElement, Dataset

from storage_service.adapters.headers import Header, Headers, aside
from storage_service.adapters.manifests import Manifest, Manifests, fetch
from storage_service.adapters.packs import StoredPacks
from storage_service.adapters.sql import Pool
from storage_service.domain.agreement import Agreement
from storage_service.domain.conflicting import Beside, Conflicts, Kept, Said, attributes
from storage_service.domain.errors import Away, Gone, RetrievalError
from storage_service.domain.manifest import Entry, entries_of
from storage_service.domain.retrieval import Stored

PIXELS_MOST: Final = 64 * 1024 * 1024
"""Longer pixel data is not read to be compared."""
_ABOUT_READ: Final = 8 * BLOCK
"""Holds the member that says whose a pack is."""
_OF_STUDY: Final = "e.study_instance_uid = $1 AND e.conflicting_instances > 0"
_BINARY: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
Placed = tuple[Manifest, Entry]


class StoredConflicts:
    """See `storage_service.ports.conflicts.ConflictBook`."""

    def __init__(self, pool: Pool, manifests: Manifests, packs: StoredPacks, headers: Headers) -> None:
        self._pool = pool
        self._manifests = manifests
        self._packs = packs
        self._headers = headers

    async def of(self, study_instance_uid: str, limit: int) -> Conflicts:
        found = list(_pairs(await self._manifests.find(_OF_STUDY, study_instance_uid)))
        shown = list(islice(found, limit))
        begins = await self._begins({manifest.pack_key for pair in shown for manifest, _ in pair})
        return Conflicts(len(found), tuple([await self._beside(*pair, begins) for pair in shown]))

    async def _begins(self, pack_keys: Collection[int]) -> Mapping[int, Sequence[int]]:
        """Where, in each pack, something stands between two files that is longer than what precedes every file."""
        ends: dict[int, dict[int, int]] = defaultdict(dict)
        for row in await fetch(self._pool, "m.pack_key = ANY($1::bigint[])", list(pack_keys)):
            for entry in entries_of(row["entries"]):
                end = entry.offset + entry.length
                ends[row["pack_key"]][entry.offset] = end + len(padding(end))
        found = {}
        for pack, files in ends.items():
            before = [0, *(end for _, end in sorted(files.items()))]
            gaps = zip(before, sorted(files), strict=False)
            found[pack] = [begin for begin, offset in gaps if offset - begin > HEADER_ROOM]
        return found

    async def _beside(self, current: Placed, later: Placed, begins: Mapping[int, Sequence[int]]) -> Beside:
        first, other = current[0].stored(current[1]), later[0].stored(later[1])
        shown = Beside(
            series_instance_uid=first.series_instance_uid,
            sop_instance_uid=first.sop_instance_uid,
            instance_number=current[1].instance_number,
            first=await self._kept(first, current[1], begins[current[0].pack_key]),
            other=await self._kept(other, later[1], begins[later[0].pack_key]),
        )
        try:
            headers = await self._headers.read(first), await self._headers.read(other)
            size = first.data_length + other.data_length
            said = [await aside(size, lambda header: dict(_said(header.data_set)), header) for header in headers]
            compared, left_out = attributes(*said)
            pixels = await self._pixels((first, headers[0]), (other, headers[1]))
        except Away:
            raise
        except RetrievalError as reason:
            return replace(shown, unreadable=str(reason))
        return replace(shown, attributes=tuple(compared), left_out=left_out, pixels=pixels)

    async def _kept(self, stored: Stored, entry: Entry, begins: Sequence[int]) -> Kept:
        origin, moment = await self._origin(stored, begins)
        return Kept(
            revision=entry.revision,
            calling_ae_title=origin.calling_ae_title if origin else None,
            source=origin.source if origin else None,
            received_at=moment,
            size=stored.data_length,
            sha256=entry.sha256.hex(),
            transfer_syntax_uid=stored.transfer_syntax_uid,
        )

    async def _origin(self, stored: Stored, begins: Sequence[int]) -> tuple[Origin | None, datetime | None]:
        """Who sent it, and when it was received, as its pack says. Of several that were joined each says it anew."""
        try:
            moment = received_at(await self._cut(stored, stored.offset - HEADER_ROOM, HEADER_ROOM))
            for begin in (begin for begin in reversed(begins) if begin < stored.offset):
                member = first_member(await self._cut(stored, begin, min(_ABOUT_READ, stored.offset - begin)))
                if member is not None and member[0] == ABOUT:
                    return read_about(None, member[1])[1], moment
        except (Gone, ValueError, KeyError, TypeError):
            return None, None
        return None, moment

    async def _cut(self, stored: Stored, begin: int, length: int) -> bytes:
        """A cut of the pack that an instance lies in, outside of its file."""
        return await self._packs.read(replace(stored, offset=max(0, begin), length=length), ByteRange(0, length))

    async def _pixels(self, first: tuple[Stored, Header], other: tuple[Stored, Header]) -> Agreement:
        sides = (first, other)
        written = {stored.transfer_syntax_uid for stored, _ in sides}
        lengths = [header.length - header.pixel_offset for _, header in sides]
        if len(written) > 1 or any(header.pixel_tag is None for _, header in sides) or max(lengths) > PIXELS_MOST:
            return Agreement.UNKNOWN
        digests = {await self._digest(stored, header) for stored, header in sides}
        return Agreement.AGREES if len(digests) == 1 else Agreement.DIFFERS

    async def _digest(self, stored: Stored, header: Header) -> bytes:
        digest = hashlib.sha256()
        async for piece in self._of_pixels(stored, header):
            digest.update(piece)
        return digest.digest()

    async def _of_pixels(self, stored: Stored, header: Header) -> AsyncIterator[bytes | memoryview]:
        if header.inflated is not None:
            yield memoryview(header.inflated)[header.pixel_offset :]
            return
        cut = ByteRange(stored.data_offset + header.pixel_offset, header.length - header.pixel_offset)
        async for piece in self._packs.pieces(stored, cut):
            yield piece


def _pairs(manifests: Sequence[Manifest]) -> Iterator[tuple[Placed, Placed]]:
    """What is current, and what came later under its UID, in order of series and UID."""
    kept: dict[tuple[str, str], list[Placed]] = defaultdict(list)
    for manifest in manifests:
        for entry in manifest.content.entries:
            kept[manifest.series_instance_uid, entry.sop_instance_uid].append((manifest, entry))
    for _, placed in sorted(kept.items()):
        first, *others = sorted(placed, key=lambda one: one[1].revision)
        for other in others:
            yield first, other


def _said(data_set: Dataset, within: str = "") -> Iterator[tuple[str, Said]]:
    """Every attribute up to the pixels, by its place; of sequences what their items say."""
    for tag in sorted(data_set.keys()):
        try:
            element = data_set[tag]
            place = f"{within}{element.keyword or element.tag}"
            if element.VR == "SQ":
                yield place, Said(_name(element), f"{len(element.value)} items")
                for number, item in enumerate(element.value, 1):
                    yield from _said(item, f"{place}[{number}].")
            else:
                yield place, Said(_name(element), _text(element))
        except Exception as error:  # noqa: BLE001 - pydicom raises many kinds over what it cannot read
            yield f"{within}{tag}", Said(str(tag), f"cannot be read: {type(error).__name__}")


def _name(element: DataElement) -> str:
    return str(element.tag) if element.tag.is_private or not element.keyword else element.name


def _text(element: DataElement) -> str:
    value = element.value
    if isinstance(value, bytes) and element.VR in _BINARY:
        return f"{len(value)} bytes, SHA-256 {hashlib.sha256(value).hexdigest()[:16]}"
    if element.VM > 1:
        return "\\".join(map(str, value))
    return "" if value is None else str(value)
