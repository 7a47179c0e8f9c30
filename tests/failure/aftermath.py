"""What must hold after every fault of receiving (issue 8): what was acknowledged is there, bit for bit, and once."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from email.message import Message
from typing import Final

import httpx
from fj_testing import Log, eventually
from pydicom import Dataset

from services.ingest.tests.builders import encoded
from tests.failure.facts import once_and_without_gaps

_FILE: Final = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
_JSON: Final = {"Accept": "application/dicom+json"}
_PREFIX: Final = 128 + len(b"DICM")
_GROUP_LENGTH: Final = 12
"""Bytes of (0002,0000), which says how long the rest of the File Meta Information is (PS3.10 section 7.1)."""


async def aftermath(
    acknowledged: Sequence[Dataset], storage: httpx.AsyncClient, log: Log, nowhere: Sequence[Dataset] = ()
) -> None:
    """Each comes back from `storage` as it was sent, stands once in its index, and once in the facts on Kafka.

    To be called when `ingest` has nothing on its way any more: a second fact would be on the log then. What its sender
    knows to have failed may be `nowhere`.
    """
    sent = {str(image.SOPInstanceUID): image for image in acknowledged}
    assert sent, "nothing was acknowledged"
    studies: defaultdict[str, set[str]] = defaultdict(set)
    for uid, image in sent.items():
        studies[image.StudyInstanceUID].add(uid)
    for study, uids in studies.items():
        await once_in_the_index(storage, study, uids, {str(image.SOPInstanceUID) for image in nowhere})
    for uid, image in sent.items():
        # Named by its UID: the bytes themselves would fill pages.
        assert await _given(storage, image) == encoded(image), f"{uid} is not what was sent"
    await once_on_the_log(log, set(sent), {str(image.SOPInstanceUID) for image in nowhere})


async def once_in_the_index(storage: httpx.AsyncClient, study: str, sent: set[str], nowhere: set[str]) -> None:
    """All that was `sent` of this study, and nothing of what is `nowhere`."""
    address = f"/dicomweb/studies/{study}/instances"

    async def listed() -> list[str]:
        answer = (await storage.get(address, headers=_JSON)).raise_for_status()
        found = [str(each["00080018"]["Value"][0]) for each in (answer.json() if answer.content else ())]
        assert sent <= set(found), f"{sorted(sent - set(found))} not in the index"
        return found

    found = await eventually(listed, within=60)
    assert max(Counter(found).values()) == 1, Counter(found).most_common(3)
    assert nowhere.isdisjoint(found)
    (row,) = (await storage.get("/dicomweb/studies", params={"StudyInstanceUID": study}, headers=_JSON)).json()
    assert row["00201208"]["Value"] == [len(found)]  # Number of Study Related Instances


async def _given(storage: httpx.AsyncClient, image: Dataset) -> bytes:
    """The data set inside the file that WADO-RS gives."""
    study, series = image.StudyInstanceUID, image.SeriesInstanceUID
    address = f"/dicomweb/studies/{study}/series/{series}/instances/{image.SOPInstanceUID}"
    answer = (await storage.get(address, headers=_FILE)).raise_for_status()
    head = Message()
    head["content-type"] = answer.headers["content-type"]
    end = f"\r\n--{head.get_param('boundary')}--\r\n".encode()
    _, _, file = answer.content.removesuffix(end).partition(b"\r\n\r\n")
    length = int.from_bytes(file[_PREFIX + 8 : _PREFIX + _GROUP_LENGTH], "little")
    return file[_PREFIX + _GROUP_LENGTH + length :]


async def once_on_the_log(log: Log, sent: set[str], nowhere: set[str]) -> None:
    """Each of `sent` is told by one fact."""
    facts = await log.read("instance-events")
    once_and_without_gaps(facts)
    told = Counter(
        instance["sop_instance_uid"]
        for fact in facts
        if fact.type == "instance.stored.v1"
        for instance in fact.body["instances"]
    )
    assert {uid: told[uid] for uid in sent if told[uid] != 1} == {}
    assert nowhere.isdisjoint(told)
