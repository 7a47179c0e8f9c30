"""Frames and bulk data of instances."""

from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from typing import Final

from fj_objects import ByteRange
from pydicom import Dataset
from pydicom.uid import ExplicitVRBigEndian

from storage_service.adapters.dicom_json import bulk_addresses, to_json
from storage_service.adapters.frames import Encapsulated, Native, encapsulated, is_encapsulated, native
from storage_service.adapters.headers import Header, Headers
from storage_service.adapters.packs import StoredPacks
from storage_service.domain.errors import NoSuchPart
from storage_service.domain.retrieval import FrameSet, Octets, Stored

LAYOUTS: Final = 4096
"""Instances whose layout is remembered."""


class StoredPixels:
    """See `storage_service.ports.objects.Pixels`."""

    def __init__(self, packs: StoredPacks, headers: Headers) -> None:
        self._packs = packs
        self._headers = headers
        self._layouts: OrderedDict[tuple[str, int], Native | Encapsulated] = OrderedDict()

    async def frames(self, stored: Stored, numbers: Sequence[int] | None) -> FrameSet:
        layout = self._remembered(stored)
        inflated = None
        if layout is None:
            header = await self._headers.read(stored)
            layout, inflated = await self._layout(stored, header), header.inflated
            if inflated is None:
                self._remember(stored, layout)
        wanted = list(range(1, layout.count + 1)) if numbers is None else list(numbers)
        if any(not 1 <= number <= layout.count for number in wanted):
            raise NoSuchPart(f"the instance has {layout.count} frames")
        sizes = tuple(_size(layout, number) for number in wanted)
        return FrameSet(isinstance(layout, Encapsulated), sizes, self._read(stored, layout, wanted, inflated))

    async def element(self, stored: Stored, path: Sequence[str]) -> bytes:
        return _value((await self._headers.read(stored)).data_set, path)

    async def bulk(self, stored: Stored) -> tuple[Sequence[tuple[str, bytes]], str | None]:
        header = await self._headers.read(stored)
        data_set, little = header.data_set, stored.transfer_syntax_uid != ExplicitVRBigEndian
        paths = [found.lstrip("/") for found in bulk_addresses(to_json(data_set, "", little=little))]
        values = [(path, _value(data_set, path.split("/"))) for path in paths]
        return values, f"{header.pixel_tag:08X}" if header.pixel_tag is not None else None

    async def _layout(self, stored: Stored, header: Header) -> Native | Encapsulated:
        if header.pixel_tag is None:
            raise NoSuchPart("the instance has no pixels")
        if not is_encapsulated(header):
            return native(header)
        begin = stored.data_offset + header.pixel_offset
        return await encapsulated(header, self._packs.pieces(stored, ByteRange(begin, stored.length - begin)))

    async def _read(
        self, stored: Stored, layout: Native | Encapsulated, numbers: Sequence[int], inflated: bytes | None
    ) -> AsyncGenerator[Octets, None]:
        for number in numbers:
            if isinstance(layout, Encapsulated):
                parts = [await self._cut(stored, cut, None) for cut in layout.frames[number - 1]]
                yield b"".join(parts)
            else:
                yield layout.shifted(number, await self._cut(stored, layout.cut(number), inflated))

    async def _cut(self, stored: Stored, cut: ByteRange, inflated: bytes | None) -> Octets:
        if inflated is not None:
            return inflated[cut.offset : cut.offset + cut.length]
        return await self._packs.view(stored, ByteRange(stored.data_offset + cut.offset, cut.length))

    def _remembered(self, stored: Stored) -> Native | Encapsulated | None:
        key = (stored.pack, stored.offset)
        layout = self._layouts.get(key)
        if layout is not None:
            self._layouts.move_to_end(key)
        return layout

    def _remember(self, stored: Stored, layout: Native | Encapsulated) -> None:
        self._layouts[stored.pack, stored.offset] = layout
        if len(self._layouts) > LAYOUTS:
            self._layouts.popitem(last=False)


def _value(data_set: Dataset, path: Sequence[str]) -> bytes:
    *steps, last = path
    try:
        for tag, item in zip(steps[::2], steps[1::2], strict=True):
            data_set = data_set[int(tag, 16)].value[int(item)]
        value = data_set[int(last, 16)].value
    except (KeyError, ValueError, IndexError, TypeError, OverflowError):
        raise NoSuchPart("the instance has no such element before its pixels") from None
    if not isinstance(value, bytes):
        raise NoSuchPart("the element is no bulk data")
    return value


def _size(layout: Native | Encapsulated, number: int) -> int:
    if isinstance(layout, Native):
        return (layout.bits + 7) // 8
    return sum(cut.length for cut in layout.frames[number - 1])
