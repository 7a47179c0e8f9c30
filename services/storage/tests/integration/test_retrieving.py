"""WADO-RS over HTTP: what comes back is bit for bit what was sent."""

import io
import zlib
from collections.abc import Sequence
from dataclasses import replace
from email.message import Message
from pathlib import Path
from typing import Any

import httpx
import pytest
from fj_testing import Feed, ServiceProcess, eventually
from pydicom import Dataset, dcmread
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    SegmentationStorage,
    generate_uid,
)

from services.storage.tests.builders import Exam, Image, Packer, an_encapsulated, an_image, items

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("storage")]
ALL = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
FRAMES = {"Accept": "multipart/related; type=application/octet-stream; transfer-syntax=*"}


async def stored(feed: Feed, packer: Packer, http: httpx.AsyncClient, exam: Exam, *packs: Sequence[Image]) -> str:
    """Packs of images, retrievable; the address of their study."""
    for images in packs:
        await feed.publish(await packer.ship(exam, images))
    address = f"/dicomweb/studies/{exam.study_uid}"
    wanted = sum(map(len, packs))

    async def here() -> bool:
        return len((await http.get(f"{address}/instances")).json()) == wanted

    await eventually(here)
    return address


def instance(address: str, image: Image) -> str:
    return f"{address}/series/{image.series}/instances/{image.uid}"


def parts(answer: httpx.Response) -> list[tuple[str, bytes]]:
    """The parts of a multipart answer: content type and body, cut strictly by the boundary."""
    message = Message()
    message["content-type"] = answer.headers["content-type"]
    boundary = str(message.get_param("boundary")).encode()
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert answer.content.endswith(b"\r\n--" + boundary + b"--\r\n")
    found = []
    for part in answer.content[: -len(boundary) - 8].split(b"\r\n--" + boundary + b"\r\n")[1:]:
        head, _, body = part.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        assert int(headers["Content-Length"]) == len(body)
        found.append((headers["Content-Type"], body))
    return found


async def get(http: httpx.AsyncClient, path: str, headers: dict[str, str], status: int = 200) -> httpx.Response:
    answer = await http.get(path, headers=headers)
    assert answer.status_code == status, answer.text
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
    return answer


async def test_study_series_and_instance_come_back_bit_for_bit(
    feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam = Exam()
    first, second = exam.images(5), exam.images(3, 2, syntax=ImplicitVRLittleEndian)
    address = await stored(feed, packer, http, exam, first[:2], first[2:], second)
    study = await get(http, address, ALL)
    assert study.headers["content-type"].startswith('multipart/related; type="application/dicom"; boundary=')
    assert {body for _, body in parts(study)} == {image.file for image in (*first, *second)}
    series = await get(http, f"{address}/series/{second[0].series}", ALL)
    assert [body for _, body in parts(series)] == [image.file for image in second]
    assert parts(series)[0][0] == f"application/dicom; transfer-syntax={ImplicitVRLittleEndian}"
    one = await get(http, instance(address, first[3]), ALL)
    assert [body for _, body in parts(one)] == [first[3].file]
    single = await get(http, instance(address, first[3]), {"Accept": "application/dicom"})
    assert single.content == first[3].file
    assert single.content[-len(first[3].data) :] == first[3].data
    head = await http.head(address, headers=ALL)
    assert head.headers["content-length"] == study.headers["content-length"]


async def test_a_long_instance_comes_back_in_pieces(feed: Feed, packer: Packer, http: httpx.AsyncClient) -> None:
    exam = Exam()
    pixels = bytes(range(256)) * 256 * 160
    (long,) = exam.images(1, NumberOfFrames=20, Rows=512, Columns=512, PixelData=pixels)
    (short,) = exam.images(1)
    address = await stored(feed, packer, http, exam, [long], [short])
    study = await get(http, address, ALL)
    assert {body for _, body in parts(study)} == {long.file, short.file}
    frames = await get(http, f"{instance(address, long)}/frames/20,1", FRAMES)
    size = 512 * 512 * 2
    assert [body for _, body in parts(frames)] == [pixels[19 * size : 20 * size], pixels[:size]]


async def test_what_is_not_stored_so_is_not_made(feed: Feed, packer: Packer, http: httpx.AsyncClient) -> None:
    exam = Exam()
    (image,) = exam.images(1, syntax=ImplicitVRLittleEndian)
    address = await stored(feed, packer, http, exam, [image])
    wanted = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.50'}
    refusal = await get(http, address, wanted, 406)
    assert ImplicitVRLittleEndian in refusal.json()["detail"]
    matching = {"Accept": f'multipart/related; type="application/dicom"; transfer-syntax={ImplicitVRLittleEndian}'}
    assert [body for _, body in parts(await get(http, address, matching))] == [image.file]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/metadata",
        "/series/1.2",
        "/series/1.2/metadata",
        "/series/1.2/instances/1.3",
        "/series/1.2/instances/1.3/frames/1",
    ],
)
async def test_what_is_not_here_is_not_found(http: httpx.AsyncClient, path: str) -> None:
    await get(http, f"/dicomweb/studies/1.2.3{path}", {}, 404)


async def test_a_pack_that_is_gone_is_gone(feed: Feed, packer: Packer, http: httpx.AsyncClient) -> None:
    exam = Exam()
    images = exam.images(2)
    fact = await packer.ship(exam, images)
    await feed.publish(fact)
    address = f"/dicomweb/studies/{exam.study_uid}"
    await eventually(lambda: _has_series(http, address))
    await packer.store.delete(fact.pack.key)
    await get(http, address, ALL, 410)
    await get(http, f"{instance(address, images[0])}/frames/1", FRAMES, 410)


async def _has_series(http: httpx.AsyncClient, address: str) -> bool:
    return bool((await http.get(f"{address}/series")).json())


async def test_metadata_of_each_level_before_and_after_the_study_is_complete(
    feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam = Exam()
    nested = Dataset()
    nested.CodeValue, nested.RedPaletteColorLookupTableData = "T-1", bytes(4000)
    first = exam.images(
        3, PatientComments="Größe", ImagePositionPatient=[1.5, -2, 0], AnatomicRegionSequence=items(nested)
    )
    second = exam.images(1, 2)
    address = await stored(feed, packer, http, exam, first, second)
    before = (await get(http, f"{address}/metadata", {"Accept": "application/dicom+json"})).json()
    one = before[0]
    assert [data["00080018"]["Value"][0] for data in before] == [image.uid for image in (*first, *second)]
    assert one["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}
    assert one["00104000"] == {"vr": "LT", "Value": ["Größe"]}
    assert one["00200032"] == {"vr": "DS", "Value": [1.5, -2.0, 0.0]}
    assert one["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "Example^Ada"}]}
    assert one["00280010"] == {"vr": "US", "Value": [16]}
    assert one["00083002"] == {"vr": "UI", "Value": ["1.2.840.10008.1.2.1"]}
    root = f"{str(http.base_url).rstrip('/')}{instance(address, first[0])}/bulkdata"
    assert one["7FE00010"] == {"vr": "OW", "BulkDataURI": f"{root}/7FE00010"}
    table = one["00082218"]["Value"][0]["00281201"]
    assert table == {"vr": "OW", "BulkDataURI": f"{root}/00082218/0/00281201"}
    bulk = await get(http, table["BulkDataURI"], {"Accept": "application/octet-stream"})
    assert bulk.content == bytes(4000)

    await feed.publish(exam.completed([*first, *second]))

    async def kept() -> bool:
        metrics = (await http.get(f"/api/storage/studies/{exam.study_uid}")).json()
        return bool(metrics["described_series"] == 2)

    await eventually(kept)
    assert (await get(http, f"{address}/metadata", {})).json() == before
    series = await get(
        http, f"{address}/series/{second[0].series}/metadata", {"Host": "elsewhere", "X-Forwarded-Proto": "https"}
    )
    assert series.json()[0]["7FE00010"]["BulkDataURI"].startswith("https://elsewhere/dicomweb/studies/")
    alone = await get(http, f"{instance(address, first[2])}/metadata", {})
    assert alone.json() == [before[2]]
    await get(http, f"{address}/metadata", {"Accept": "application/dicom+xml"}, 406)

    await feed.publish(await packer.ship(exam, exam.images(1, 3)))  # late: the kept metadata is not the whole any more

    async def fresh() -> bool:
        return len((await get(http, f"{address}/metadata", {})).json()) == 5

    await eventually(fresh)


async def test_native_frames(feed: Feed, packer: Packer, http: httpx.AsyncClient) -> None:
    exam = Exam()
    pixels = bytes(range(256)) * 2 * 3
    images = [
        exam.image(generate_uid(), 1, 1, NumberOfFrames=3, PixelData=pixels),
        exam.image(generate_uid(), 2, 2, NumberOfFrames=3, PixelData=pixels, syntax=ImplicitVRLittleEndian),
    ]
    address = await stored(feed, packer, http, exam, *([image] for image in images))
    for image in images:
        where = instance(address, image)
        answer = await get(http, f"{where}/frames/3,1", FRAMES)
        assert parts(answer) == [
            ("application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1", pixels[1024:]),
            ("application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1", pixels[:512]),
        ]
        single = await get(http, f"{where}/frames/2", {"Accept": "application/octet-stream"})
        assert single.content == pixels[512:1024]
        assert b"".join(body for _, body in parts(await get(http, f"{where}/bulkdata/7FE00010", FRAMES))) == pixels
        await get(http, f"{where}/frames/4", FRAMES, 404)
        for bad in ("0", "x", "1,,2", "1-2"):
            await get(http, f"{where}/frames/{bad}", FRAMES, 400)
        await get(http, f"{where}/frames/1", {"Accept": "image/gif"}, 406)


@pytest.mark.parametrize("table", [True, False])
async def test_encapsulated_frames(feed: Feed, packer: Packer, http: httpx.AsyncClient, *, table: bool) -> None:
    exam = Exam()
    frames = [bytes([number]) * (100 + 2 * number) for number in range(4)]
    image = _compressed(exam, frames, table=table)
    address = await stored(feed, packer, http, exam, [image])
    where = instance(address, image)
    answer = await get(http, f"{where}/frames/1,2,3,4", FRAMES)
    assert [body for _, body in parts(answer)] == frames
    assert parts(answer)[0][0] == f"application/octet-stream; transfer-syntax={JPEGBaseline8Bit}"
    answer = await get(http, f"{where}/frames/4", {"Accept": 'multipart/related; type="image/jpeg"'})
    assert parts(answer) == [(f"image/jpeg; transfer-syntax={JPEGBaseline8Bit}", frames[3])]
    await get(http, f"{where}/frames/1", {"Accept": 'multipart/related; type="application/octet-stream"'}, 406)
    assert (await get(http, where, {"Accept": "application/dicom; transfer-syntax=*"})).content == image.file


async def test_fragments_of_one_frame_belong_together(feed: Feed, packer: Packer, http: httpx.AsyncClient) -> None:
    exam = Exam()
    image = _compressed(exam, [b"a" * 100, b"b" * 50], table=False, NumberOfFrames=1)
    address = await stored(feed, packer, http, exam, [image])
    answer = await get(http, f"{instance(address, image)}/frames/1", FRAMES)
    assert [body for _, body in parts(answer)] == [b"a" * 100 + b"b" * 50]


def _compressed(exam: Exam, frames: Sequence[bytes], *, table: bool, **changed: Any) -> Image:
    """As a device sends it: with an empty table of offsets where `table` is false."""
    native = exam.image(generate_uid(), 1, 1, syntax=JPEGBaseline8Bit, **{"NumberOfFrames": len(frames)} | changed)
    data_set = native.data_set
    data_set.BitsAllocated = data_set.BitsStored = 8
    data_set.PixelData = an_encapsulated(frames, table=table)
    data_set["PixelData"].VR = "OB"
    data_set["PixelData"].is_undefined_length = True
    return an_image(data_set, JPEGBaseline8Bit)


async def test_frames_of_single_bits(feed: Feed, packer: Packer, http: httpx.AsyncClient) -> None:
    exam = Exam()
    # 3 frames of 5 x 5 bits follow each other without padding: 75 bits in 10 bytes.
    masks = [0b1_0101_0101_0101_0101_0101_0101, 0x1FFFFFF, 0b1]
    packed = sum(mask << 25 * place for place, mask in enumerate(masks)).to_bytes(10, "little")
    data_set = exam.image(generate_uid(), 1, 1).data_set
    data_set.SOPClassUID = SegmentationStorage
    data_set.Rows = data_set.Columns = 5
    data_set.BitsAllocated = data_set.BitsStored = 1
    data_set.HighBit = 0
    data_set.NumberOfFrames = 3
    data_set.PixelData = packed
    image = an_image(data_set)
    address = await stored(feed, packer, http, exam, [image])
    answer = await get(http, f"{instance(address, image)}/frames/1,2,3", FRAMES)
    assert [int.from_bytes(body, "little") for _, body in parts(answer)] == masks


async def test_a_deflated_data_set(feed: Feed, packer: Packer, http: httpx.AsyncClient) -> None:
    exam = Exam()
    plain = exam.image(generate_uid(), 1, 1)
    squeeze = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data = squeeze.compress(plain.data) + squeeze.flush()
    head = an_image(plain.data_set, DeflatedExplicitVRLittleEndian)
    head_only = head.file[: -len(head.data)]
    image = replace(head, data=data, file=head_only + data)
    address = await stored(feed, packer, http, exam, [image])
    where = instance(address, image)
    whole = await get(http, where, {"Accept": "application/dicom; transfer-syntax=*"})
    assert whole.content == image.file
    assert dcmread(io.BytesIO(whole.content)).PatientID == exam.patient_number
    assert (await get(http, f"{where}/metadata", {})).json()[0]["00100020"]["Value"] == [exam.patient_number]
    answer = await get(http, f"{where}/frames/1", FRAMES)
    assert [body for _, body in parts(answer)] == [plain.data_set.PixelData]


async def test_what_is_inflated_has_a_bound(feed: Feed, packer: Packer, http: httpx.AsyncClient) -> None:
    exam = Exam()
    plain = exam.image(generate_uid(), 1, 1, NumberOfFrames=1100, Rows=512, Columns=512)
    squeeze, zeros = zlib.compressobj(1, wbits=-zlib.MAX_WBITS), bytes(2**20)
    pieces = [squeeze.compress(plain.data), *(squeeze.compress(zeros) for _ in range(520)), squeeze.flush()]
    data = b"".join(pieces)
    data += bytes(len(data) % 2)
    head = an_image(plain.data_set, DeflatedExplicitVRLittleEndian)
    image = replace(head, data=data, file=head.file[: -len(head.data)] + data)
    where = instance(await stored(feed, packer, http, exam, [image]), image)
    assert (await get(http, where, {"Accept": "application/dicom; transfer-syntax=*"})).content == image.file
    assert (await get(http, f"{where}/metadata", {})).json()[0]["00080018"]["Value"] == [image.uid]
    for path, headers in (
        (f"{where}/frames/1", FRAMES),
        (f"{where}/rendered", {"Accept": "image/jpeg"}),
        (f"{where}/bulkdata", FRAMES),
        (where, {"Accept": "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"}),
    ):
        await get(http, path, headers, 406)


async def test_a_data_set_that_cannot_be_taken_apart_comes_back_whole(
    feed: Feed, packer: Packer, http: httpx.AsyncClient
) -> None:
    exam = Exam()
    image = exam.image(generate_uid(), 1, 1)
    broken = image.data[:-100]
    image = replace(image, data=broken, file=image.file[:-100])
    address = await stored(feed, packer, http, exam, [image])
    where = instance(address, image)
    assert (await get(http, where, {"Accept": "application/dicom"})).content == image.file
    assert (await get(http, f"{where}/metadata", {})).json()[0]["00080018"]["Value"] == [image.uid]
    await get(http, f"{where}/frames/1", FRAMES, 404)


async def test_an_instance_without_pixels_has_no_frames(feed: Feed, packer: Packer, http: httpx.AsyncClient) -> None:
    exam = Exam()
    data_set = exam.image(generate_uid(), 1, 1).data_set
    del data_set.PixelData
    image = an_image(data_set)
    address = await stored(feed, packer, http, exam, [image])
    await get(http, f"{instance(address, image)}/frames/1", FRAMES, 404)
    assert "7FE00010" not in (await get(http, f"{instance(address, image)}/metadata", {})).json()[0]
    for path in ("00104000", "7FE1", "x/y", "00082218/0/00281201", "0020000D"):
        await get(http, f"{instance(address, image)}/bulkdata/{path}", {}, 404)


async def test_the_memory_of_an_answer_serves_the_next(
    feed: Feed, packer: Packer, http: httpx.AsyncClient, storage: ServiceProcess
) -> None:
    exam = Exam()
    images = exam.images(4, Rows=2048, Columns=1024, PixelData=bytes(2048 * 1024 * 2))
    address = await stored(feed, packer, http, exam, images)

    async def megabytes(answers: int) -> float:
        return sum([len((await get(http, address, ALL)).content) for _ in range(answers)]) / 1e6

    await megabytes(10)
    before = faults(storage)
    read = await megabytes(20)
    assert (faults(storage) - before) / read < 30, "of 244 pages in a megabyte"


def faults(process: ServiceProcess) -> int:
    """Pages that the kernel has given to the process so far (proc_pid_stat(5), minflt)."""
    return int(Path(f"/proc/{process.running.pid}/stat").read_text().rpartition(")")[2].split()[7])
