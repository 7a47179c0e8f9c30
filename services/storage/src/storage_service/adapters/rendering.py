"""Images as people look at them: windowed, scaled, as JPEG, PNG or GIF (PS3.18 section 8.7.4, PS3.4 annex N.2)."""

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from pydicom import Dataset
from pydicom.pixels.processing import apply_color_lut, convert_color_space
from pydicom.uid import ExplicitVRBigEndian

from storage_service.adapters.annotating import annotated
from storage_service.adapters.codecs import CannotCode, Description, Samples, decode, native, photometric_decoded
from storage_service.adapters.greyscale import grey
from storage_service.adapters.headers import Headers
from storage_service.adapters.pictures import picture
from storage_service.adapters.pixels import StoredPixels
from storage_service.domain.coercion import Coercion
from storage_service.domain.errors import NotShown
from storage_service.domain.rendering import GIF, Look, Region
from storage_service.domain.retrieval import Stored

FRAMES_MAX: Final = 256
"""Of a picture that moves."""
MOST: Final = 8192
"""Rows or columns of an answer."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """One frame as it is stored, and what describes it."""

    data_set: Dataset
    syntax: str
    encapsulated: bool
    number: int
    data: bytes


class Renderer:
    """See `storage_service.ports.objects.Rendering`. As many at once as there are processors."""

    def __init__(self, headers: Headers, pixels: StoredPixels) -> None:
        self._headers = headers
        self._pixels = pixels
        self._limit = asyncio.Semaphore(os.cpu_count() or 1)

    async def rendered(self, stored: Stored, number: int | None, look: Look) -> bytes:
        """See `Rendering.rendered`."""
        header = await self._headers.read(stored)
        numbers = [number] if number else _chosen(len((await self._pixels.frames(stored, None)).sizes), look)
        if len(numbers) > FRAMES_MAX:
            raise NotShown(f"more than {FRAMES_MAX} frames make no picture that moves; ask for one of them")
        shown = []
        for one in numbers:
            found = await self._pixels.frames(stored, [one])
            (data,) = [part async for part in found.data]
            frame = _Frame(header.data_set, stored.transfer_syntax_uid, found.encapsulated, one, bytes(data))
            async with self._limit:
                shown.append(await asyncio.to_thread(_rendered, frame, look, stored.coercion))
        return await asyncio.to_thread(_written, shown, look, header.data_set)


def _chosen(count: int, look: Look) -> list[int]:
    """A GIF moves; of other pictures the middle one."""
    return list(range(1, count + 1)) if look.media_type == GIF else [(count + 1) // 2]


def _rendered(frame: _Frame, look: Look, coercion: Coercion | None) -> Samples:
    try:
        if frame.data_set.get("BitsAllocated") == 1:
            shown = _mask(frame)
        else:
            shown = _shown(frame, Description.of(frame.data_set), look)
        scaled = _scaled(_cut(shown, look), look)
    except CannotCode as reason:
        raise NotShown(f"the image cannot be shown: {reason}") from None
    return annotated(scaled, look.annotations, frame.data_set, coercion) if look.annotations else scaled


def _written(shown: Sequence[Samples], look: Look, data_set: Dataset) -> bytes:
    try:
        return picture(shown, look, data_set)
    except CannotCode as reason:
        raise NotShown(f"the image cannot be shown: {reason}") from None


def _samples(frame: _Frame, image: Description) -> Samples:
    if frame.encapsulated:
        return decode(frame.data, frame.syntax, image)
    if image.photometric == "YBR_FULL_422":
        pairs = np.frombuffer(frame.data, np.uint8, image.rows * image.columns * 2).reshape(image.rows, -1, 4)
        colours = [np.repeat(pairs[..., place], 2, axis=1) for place in (2, 3)]
        return np.stack([pairs[..., :2].reshape(image.rows, image.columns), *colours], axis=-1)
    return native(frame.data, image, big_endian=frame.syntax == ExplicitVRBigEndian)


def _shown(frame: _Frame, image: Description, look: Look) -> Samples:
    """Eight bits, grey or RGB."""
    samples = _samples(frame, image)
    photometric = photometric_decoded(frame.syntax, image) if frame.encapsulated else image.photometric
    if photometric.startswith("MONOCHROME"):
        shown = grey(frame.data_set, samples, frame.number, look.window)
        return 255 - shown if photometric == "MONOCHROME1" else shown
    if photometric == "PALETTE COLOR":
        coloured = _or_not_shown(lambda: apply_color_lut(samples, frame.data_set))
        return coloured if coloured.dtype.itemsize == 1 else (coloured >> 8).astype(np.uint8)
    if photometric in {"YBR_FULL", "YBR_FULL_422"}:
        return _or_not_shown(lambda: convert_color_space(samples.astype(np.uint8), "YBR_FULL", "RGB"))
    if photometric == "RGB":
        return samples if image.allocated == 8 else (samples >> max(image.stored - 8, 0)).astype(np.uint8)
    raise CannotCode(f"photometric interpretation {photometric}")


def _or_not_shown(work: Callable[[], Any]) -> Samples:
    try:
        found: Samples = work()
    except Exception as reason:  # noqa: BLE001 - pydicom raises many kinds over tables that do not fit
        raise CannotCode(f"its colours: {type(reason).__name__}") from None
    return found


def _mask(frame: _Frame) -> Samples:
    rows, columns = int(frame.data_set.Rows), int(frame.data_set.Columns)
    bits = np.unpackbits(np.frombuffer(frame.data, np.uint8), bitorder="little")[: rows * columns]
    return (bits * 255).reshape(rows, columns)


def _cut(shown: Samples, look: Look) -> Samples:
    rows, columns = shown.shape[:2]
    region = look.pixels
    if look.fractions is not None:
        part = look.fractions
        region = Region(part.left * columns, part.top * rows, part.width * columns, part.height * rows)
    if region is None:
        return shown
    left, top = max(int(region.left), 0), max(int(region.top), 0)
    cut = shown[top : top + max(round(abs(region.height)), 1), left : left + max(round(abs(region.width)), 1)]
    if not cut.size:
        raise CannotCode("the region lies outside of the image")
    return cut[:: -1 if region.height < 0 else 1, :: -1 if region.width < 0 else 1]


def _scaled(shown: Samples, look: Look) -> Samples:
    """Into the size asked for, with the same proportions: averaged while it is far too large, then interpolated."""
    rows, columns = shown.shape[:2]
    factors = [asked / own for asked, own in ((look.rows, rows), (look.columns, columns)) if asked]
    if not factors:
        return shown
    height, width = (max(min(round(own * min(factors)), MOST), 1) for own in (rows, columns))
    step = max(int(1 / min(factors)), 1)
    if step > 1:
        whole = shown[: rows // step * step, : columns // step * step]
        shown = whole.reshape(rows // step, step, columns // step, step, *shown.shape[2:]).mean(axis=(1, 3))
    return np.rint(_interpolated(_interpolated(shown.astype(np.float32), 0, height), 1, width)).astype(np.uint8)


def _interpolated(values: Samples, axis: int, size: int) -> Samples:
    own = values.shape[axis]
    places = np.clip((np.arange(size) + 0.5) * own / size - 0.5, 0, own - 1)
    before = places.astype(int)
    weight = (places - before).reshape([-1 if place == axis else 1 for place in range(values.ndim)]).astype(np.float32)
    after = np.minimum(before + 1, own - 1)
    found: Samples = values.take(before, axis) * (1 - weight) + values.take(after, axis) * weight
    return found
