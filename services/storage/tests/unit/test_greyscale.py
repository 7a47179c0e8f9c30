"""Values to grey, beside pydicom's own transformations."""

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.sequence import Sequence
from storage_service.adapters.codecs import Samples
from storage_service.adapters.greyscale import grey
from storage_service.domain.rendering import Function, Window

SAMPLES = np.arange(-1200, 1200, dtype="<i2")


def described(**changed: object) -> Dataset:
    data_set = Dataset()
    data_set.PhotometricInterpretation = "MONOCHROME2"
    data_set.BitsStored, data_set.PixelRepresentation = 16, 1
    data_set.RescaleSlope, data_set.RescaleIntercept = 2, -100
    for keyword, value in changed.items():
        setattr(data_set, keyword, value)
    return data_set


def expected(data_set: Dataset) -> Samples:
    values = apply_voi_lut(apply_modality_lut(SAMPLES, data_set), data_set)
    found: Samples = np.rint((values - values.min()) / (values.max() - values.min()) * 255)
    return found


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID", None])
def test_the_window_of_the_image(function: str | None) -> None:
    data_set = described(WindowCenter=[40, 600], WindowWidth=[400, 1500])
    if function:
        data_set.VOILUTFunction = function
    assert abs(grey(data_set, SAMPLES, 1, None) - expected(data_set)).max() <= 1


def test_many_values_are_looked_up_alike() -> None:
    data_set = described(WindowCenter=40, WindowWidth=400)
    many = np.tile(SAMPLES, 40).reshape(40, -1)
    assert np.array_equal(grey(data_set, many, 1, None)[7], grey(data_set, SAMPLES, 1, None))


def test_the_window_of_the_client_goes_before() -> None:
    data_set = described(WindowCenter=40, WindowWidth=400)
    shown = grey(data_set, SAMPLES, 1, Window(0, 200, Function.LINEAR_EXACT))
    assert (shown[SAMPLES * 2 - 100 <= -100] == 0).all()
    assert (shown[SAMPLES * 2 - 100 >= 100] == 255).all()
    assert shown[SAMPLES.tolist().index(50)] == 128


def test_without_a_window_all_values_are_seen() -> None:
    shown = grey(described(), SAMPLES, 1, None)
    assert (shown[0], shown[-1]) == (0, 255)


def test_lookup_tables() -> None:
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [256, 0, 12], [place * 16 for place in range(256)]
    data_set = described(VOILUTSequence=Sequence([item]), RescaleSlope=1, RescaleIntercept=0)
    ramp = np.arange(0, 256, dtype="<i2")
    assert abs(grey(data_set, ramp, 1, None).astype(int) - np.rint(ramp * 16 / 4095 * 255)).max() == 0


def test_an_enhanced_image_says_it_by_frame() -> None:
    def group(center: int) -> Dataset:
        voi, values, one = Dataset(), Dataset(), Dataset()
        voi.WindowCenter, voi.WindowWidth = center, 100
        values.RescaleSlope, values.RescaleIntercept = 1, 0
        one.FrameVOILUTSequence = Sequence([voi])
        one.PixelValueTransformationSequence = Sequence([values])
        return one

    data_set = Dataset()
    data_set.PerFrameFunctionalGroupsSequence = Sequence([group(0), group(500)])
    for number, center in ((1, 0), (2, 500)):
        shown = grey(data_set, SAMPLES, number, None)
        assert 126 <= shown[SAMPLES.tolist().index(center)] <= 129
