"""Stored values to grey: modality and VOI transformations (PS3.4 annex N.2.1)."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import numpy as np
from pydicom import Dataset

from storage_service.adapters.codecs import CannotCode, Samples
from storage_service.domain.rendering import Function, Window

_WHITE: Final = 255.0
_FUNCTIONS: Final = {"LINEAR_EXACT": Function.LINEAR_EXACT, "SIGMOID": Function.SIGMOID}
_TABLE_MAX: Final = 1 << 16


def grey(data_set: Dataset, samples: Samples, number: int, window: Window | None) -> Samples:
    """Eight bits of a frame; with a window of its own, else that of the image, else all values.

    Each value of 16 bits or fewer is looked up in a table that is made once, which is ten times quicker.
    """
    groups = [data_set, *_functional_groups(data_set, number)]
    if samples.dtype.itemsize > 2 or samples.size < _TABLE_MAX:
        return _transformed(groups, samples.astype(np.float64), samples, window)
    least, most = int(samples.min()), int(samples.max())
    values = np.arange(least, most + 1, dtype=np.int64)
    table = _transformed(groups, values.astype(np.float64), values, window)
    return table[samples.astype(np.int64) - least]


def _transformed(groups: list[Dataset], values: Samples, stored: Samples, window: Window | None) -> Samples:
    values = _modality(groups, values, stored)
    window = window or _own_window(groups)
    table = None if window else _first(groups, "VOILUTSequence")
    if table:
        return _looked_up(table[0], values, scaled=True)
    if window is None:
        low, high = float(values.min(initial=np.inf)), float(values.max(initial=-np.inf))
        window = Window((low + high) / 2, max(high - low, 1), Function.LINEAR_EXACT)
    return np.rint(_windowed(values, window) * _WHITE).astype(np.uint8)


def _modality(groups: list[Dataset], values: Samples, stored: Samples) -> Samples:
    table = _first(groups, "ModalityLUTSequence")
    if table:
        return _looked_up(table[0], stored, scaled=False)
    slope, intercept = _number(groups, "RescaleSlope"), _number(groups, "RescaleIntercept")
    return values * (1.0 if slope is None else slope) + (intercept or 0.0)


def _windowed(values: Samples, window: Window) -> Samples:
    """PS3.3 C.11.2.1.2 and C.11.2.1.3: 0 is black, 1 is white."""
    center, width = window.center, max(window.width, 1e-6)
    if window.function is Function.SIGMOID:
        found: Samples = 1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -60, 60)))
        return found
    if window.function is Function.LINEAR:
        center, width = center - 0.5, max(width - 1, 1e-6)
    return np.clip((values - center) / width + 0.5, 0, 1)


def _looked_up(item: Dataset, values: Samples, *, scaled: bool) -> Samples:
    """PS3.3 C.11.1.1.1."""
    try:
        entries, first, bits = (int(value) for value in item.LUTDescriptor)
        data = item.LUTData
        table = np.frombuffer(data, "<u2") if isinstance(data, bytes) else np.asarray(data, dtype=np.int64)
        entries = entries or _TABLE_MAX
        if len(table) * 2 == entries:  # two entries of eight bits in each word
            table = np.frombuffer(table.astype("<u2").tobytes(), np.uint8)
        found: Samples = table[np.clip(np.rint(values).astype(np.int64) - first, 0, min(entries, len(table)) - 1)]
    except (AttributeError, TypeError, ValueError, IndexError):
        raise CannotCode("a lookup table does not fit its description") from None
    if not scaled:
        return found.astype(np.float64)
    return np.rint(found / ((1 << bits) - 1) * _WHITE).clip(0, _WHITE).astype(np.uint8)


def _own_window(groups: list[Dataset]) -> Window | None:
    center, width = _number(groups, "WindowCenter"), _number(groups, "WindowWidth")
    if center is None or width is None or width <= 0:
        return None
    return Window(center, width, _FUNCTIONS.get(str(_first(groups, "VOILUTFunction")), Function.LINEAR))


def _functional_groups(data_set: Dataset, number: int) -> Iterator[Dataset]:
    """Macros of an enhanced image: those of the frame, then those of all (PS3.3 C.7.6.16)."""
    of_frames = data_set.get("PerFrameFunctionalGroupsSequence") or []
    shared = data_set.get("SharedFunctionalGroupsSequence") or []
    for group in (*of_frames[number - 1 : number], *shared[:1]):
        for keyword in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
            yield from (group.get(keyword) or [])[:1]


def _first(groups: list[Dataset], keyword: str) -> Any:
    return next((group.get(keyword) for group in groups if group.get(keyword) not in (None, "")), None)


def _number(groups: list[Dataset], keyword: str) -> float | None:
    """The first of several values."""
    value = _first(groups, keyword)
    with suppress(TypeError, ValueError):
        return float(value if isinstance(value, str | int | float) else value[0])
    with suppress(TypeError, ValueError):
        return float(value)
    return None
