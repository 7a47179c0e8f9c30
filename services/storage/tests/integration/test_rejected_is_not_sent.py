"""What is rejected (IHE IOCM) leaves by no DIMSE door and by no rule, and does again when it is restored."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from fj_testing import Feed, Log, eventually
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from services.storage.tests.builders import Exam, Image, Packer
from services.storage.tests.integration.test_rejecting import (
    PERSON,
    QUALITY,
    RETENTION,
    SAFETY,
    WORKLIST,
    Doors,
    a_code,
    a_note,
)
from services.storage.tests.integration.test_sending import became, expected, of, uids
from services.storage.tests.scu import Destination, Notified, Received, Workstation, a_query

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("storage")]
Receives = Callable[..., Awaitable[None]]
HIDDEN_BY_NAME_TOO = [SAFETY, WORKLIST, RETENTION]


@pytest.fixture(scope="module")
def peers(peer_ports: dict[str, int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("peers") / "peers.yaml"
    entries: dict[str, dict[str, Any]] = {title: {"host": "127.0.0.1", "port": p} for title, p in peer_ports.items()}
    entries["IAN1"]["availability_notification"] = True
    path.write_text(yaml.safe_dump(entries))
    return path


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("routes") / "routes.yaml"
    rules = [
        {"name": "mr", "when": {"modality": "MR"}, "to": "WS1"},
        {"name": "us", "when": {"modality": "US"}, "to": "LATER"},
    ]
    path.write_text(yaml.safe_dump(rules))
    return str(path)


@pytest.fixture
def receives(feed: Feed, packer: Packer, http: httpx.AsyncClient) -> Receives:
    """The exam with these images, of which doors know; then a note with this title about some of them."""

    async def received(exam: Exam, images: list[Image], note: Image | None = None) -> None:
        await feed.publish(await packer.ship(exam, images))
        doors = Doors(http, exam)
        await doors.show(*images)
        if note is not None:
            await feed.publish(await packer.ship(exam, [note]))

            async def rejected() -> bool:
                return bool((await http.get(f"{doors.api}/rejections")).json())

            await eventually(rejected, within=20)

    return received


async def restores(http: httpx.AsyncClient, exam: Exam) -> None:
    said = await http.post(f"{Doors(http, exam).api}/restore", json={"reason": "it was fine"}, headers=PERSON)
    assert said.status_code == 200


def the_study(exam: Exam) -> Dataset:
    return a_query("STUDY", StudyInstanceUID=exam.study_uid)


def by_name(exam: Exam, image: Image) -> Dataset:
    return a_query("IMAGE", StudyInstanceUID=exam.study_uid, SeriesInstanceUID=image.series, SOPInstanceUID=image.uid)


async def moved(
    workstation: Workstation, port: int, query: Dataset, *, completed: int, failed: int = 0
) -> list[Received]:
    with Destination("WS4", port) as destination:
        answers = await workstation.moves(query, "WS4")
    assert answers.final.Status == 0x0000
    assert (answers.final.NumberOfCompletedSuboperations, answers.final.NumberOfFailedSuboperations) == (
        completed,
        failed,
    )
    return destination.received


@pytest.mark.parametrize("code", HIDDEN_BY_NAME_TOO)
async def test_what_is_rejected_is_neither_got_nor_moved_until_it_is_restored(
    code: str, workstation: Workstation, peer_ports: dict[str, int], http: httpx.AsyncClient, receives: Receives
) -> None:
    exam, port = Exam(), peer_ports["WS4"]
    images = exam.images(3)
    note = a_note(exam, images[:1], a_code(code))
    await receives(exam, images, note)
    assert uids(await moved(workstation, port, the_study(exam), completed=2)) == expected(*images[1:])
    assert await moved(workstation, port, by_name(exam, images[0]), completed=0) == []
    got = await workstation.gets(by_name(exam, images[0]), [ExplicitVRLittleEndian])
    assert (got.received, got.answers.final.Status) == ([], 0x0000)

    await restores(http, exam)
    assert uids(await moved(workstation, port, the_study(exam), completed=4)) == expected(*images, note)
    got = await workstation.gets(by_name(exam, images[0]), [ExplicitVRLittleEndian])
    assert [(one.uid, one.data) for one in got.received] == [(images[0].uid, images[0].data)]


async def test_what_is_rejected_for_quality_is_moved_where_it_is_named_and_its_note_with_the_study(
    workstation: Workstation, peer_ports: dict[str, int], receives: Receives
) -> None:
    exam, port = Exam(), peer_ports["WS4"]
    images = exam.images(2)
    note = a_note(exam, images[:1], a_code(QUALITY))
    await receives(exam, images, note)
    assert uids(await moved(workstation, port, the_study(exam), completed=2)) == expected(images[1], note)
    assert uids(await moved(workstation, port, by_name(exam, images[0]), completed=1)) == [images[0].uid]


async def test_a_rule_sends_and_announces_what_is_not_rejected_and_the_rest_when_it_is_restored(
    feed: Feed, packer: Packer, http: httpx.AsyncClient, peer_ports: dict[str, int], log: Log
) -> None:
    exam = Exam(modality="MR")
    images = exam.images(3)
    note = a_note(exam, images[:1], a_code(SAFETY))
    await feed.publish(await packer.ship(exam, [note]))
    await Doors(http, exam).told(log, "study.rejected.v1")
    with (
        Destination("WS1", peer_ports["WS1"]) as destination,
        Notified("IAN1", peer_ports["IAN1"]) as peer,
    ):
        await feed.publish(await packer.ship(exam, images))
        await eventually(lambda: len(destination.received) == 2, within=30)
        await eventually(lambda: announced(peer, exam) == {image.uid for image in images[1:]}, within=30)
        assert uids(destination.received) == expected(*images[1:])

        await restores(http, exam)
        await eventually(lambda: len(destination.received) == 4, within=30)
        assert uids(destination.received) == expected(*images, note)  # the others did not go twice
        await eventually(lambda: announced(peer, exam) == {one.uid for one in (*images, note)}, within=30)


def announced(peer: Notified, exam: Exam) -> set[str]:
    """What the newest notification about the exam says can be retrieved."""
    about = [content for content in peer.contents if content.StudyInstanceUID == exam.study_uid]
    series: Sequence[Dataset] = about[-1].ReferencedSeriesSequence if about else ()
    return {str(item.ReferencedSOPInstanceUID) for one in series for item in one.ReferencedSOPSequence}


async def test_what_is_rejected_while_it_waits_to_be_sent_is_not_sent(
    http: httpx.AsyncClient, peer_ports: dict[str, int], receives: Receives
) -> None:
    exam, gone = Exam(modality="US"), Exam(modality="US")
    images, others = exam.images(3), gone.images(2)
    await receives(exam, images)
    await receives(gone, others)
    for one in (exam, gone):
        await eventually(partial(_was_tried, http, one), within=30)
    series = {"series": images[0].series, "instances": [images[0].uid]}
    for one, what in ((exam, series), (gone, {})):
        said = {"code": SAFETY, "reason": "another patient's"} | what
        assert (await http.post(f"{Doors(http, one).api}/reject", json=said, headers=PERSON)).status_code == 200
    with Destination("LATER", peer_ports["LATER"]) as destination:
        assert (await became(http, exam, "LATER", "SENT"))["instances_sent"] == 2
        assert (await became(http, gone, "LATER", "SENT"))["instances_sent"] == 0
        assert uids(destination.received) == expected(*images[1:])
        await restores(http, gone)
        await eventually(lambda: len(destination.received) == 4, within=30)
    assert uids(destination.received) == expected(*images[1:], *others)


async def _was_tried(http: httpx.AsyncClient, exam: Exam) -> bool:
    return bool((await of(http, exam, "LATER")).get("attempts"))
