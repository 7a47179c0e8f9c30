"""Pictures as files: JPEG, PNG, GIF, WebP, JPEG 2000, some with a colour profile (PS3.18 sections 8.3.5.1.5, 8.7.4)."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any, Final

import imagecodecs
import numpy as np
from PIL import Image, ImageCms
from pydicom import Dataset

from storage_service.adapters.codecs import CannotCode, Samples
from storage_service.domain.rendering import GIF, JP2, PNG, WEBP, ColourProfile, Look

_FORMATS: Final = {"image/jpeg": "JPEG", "image/png": "PNG", "image/gif": "GIF", "image/webp": "WEBP"}
_FRAME_MS: Final = 100
"""How long a frame of a multi-frame image is shown that does not say so itself."""


def picture(frames: Sequence[Samples], look: Look, data_set: Dataset) -> bytes:
    """One frame, or several of a GIF, of eight bits, grey or RGB."""
    first = np.ascontiguousarray(frames[0])
    profile = _profile(first, look, data_set)
    if look.media_type in {GIF, WEBP} or profile is not None:
        return _by_pillow([np.ascontiguousarray(frame) for frame in frames], look, profile, data_set)
    if look.media_type == PNG:
        return bytes(imagecodecs.png_encode(first, level=3))
    if look.media_type == JP2:  # without loss, whatever the quality
        return bytes(imagecodecs.jpeg2k_encode(first, codecformat="jp2", reversible=True))
    return bytes(imagecodecs.jpeg8_encode(first, level=look.quality))


def _by_pillow(frames: Sequence[Samples], look: Look, profile: bytes | None, data_set: Dataset) -> bytes:
    images = [Image.fromarray(frame) for frame in frames]
    if profile is not None and look.profile is ColourProfile.SRGB:
        images, profile = [_in_srgb(image, profile) for image in images], _srgb()
    options: dict[str, Any] = {"quality": look.quality, "compress_level": 3}
    if profile is not None:
        options["icc_profile"] = profile
    if len(images) > 1:
        options |= {"save_all": True, "append_images": images[1:], "duration": _milliseconds(data_set), "loop": 0}
    buffer = BytesIO()
    images[0].save(buffer, _FORMATS[look.media_type], **options)
    return buffer.getvalue()


def _profile(first: Samples, look: Look, data_set: Dataset) -> bytes | None:
    """Of a colour image, where one is asked for: its own, else sRGB. GIF has none, and JP2 says sRGB by itself."""
    if first.ndim == 2 or look.profile is ColourProfile.NO or look.media_type in {GIF, JP2}:
        return None
    own = data_set.get("ICCProfile")
    if not own:
        paths = data_set.get("OpticalPathSequence") or ()
        own = next((path.ICCProfile for path in paths if "ICCProfile" in path), None)
    return bytes(own) if own else _srgb()


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        converted = ImageCms.profileToProfile(image, BytesIO(profile), ImageCms.createProfile("sRGB"))
    except (ImageCms.PyCMSError, OSError):
        raise CannotCode("its colour profile cannot be read") from None
    return converted or image


def _srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _milliseconds(data_set: Dataset) -> int:
    """Of one frame (PS3.3 C.7.6.5)."""
    try:
        return max(int(float(data_set.get("FrameTime") or _FRAME_MS)), 20)
    except (TypeError, ValueError):
        return _FRAME_MS
